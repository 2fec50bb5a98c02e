"""Contract tests and fakes for authors of plug-ins, and for this project's own built-ins. They need no test framework.

    from twentywatts.testing import check_machine
    def test_my_chip() -> None:
        check_machine(my_plugin.tables())

Each check raises AssertionError with one sentence that says which clause of the contract does not hold.
"""

from twentywatts.testing.fakes import fake_machine, fake_workload
from twentywatts.testing.machines import check_machine
from twentywatts.testing.pricers import check_pricer
from twentywatts.testing.readers import check_reader

__all__ = ["check_machine", "check_pricer", "check_reader", "fake_machine", "fake_workload"]
