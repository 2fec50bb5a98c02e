"""The torch side of training: what is learned (lesson), how wrong an answer is (losses), and the passes (loop)."""
