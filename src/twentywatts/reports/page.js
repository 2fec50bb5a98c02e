"use strict";
// Draws the charts whose figures stand in the page as JSON. Without JavaScript the tables hold every number.
(function () {
  const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };

  function overlaps(a, b) {
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  }

  // Names stand beside upright leader lines. From right to left, each takes the nearest height at which neither the
  // name nor its line covers another: lines never cross, and a name never hides a point.
  function placeLabels(plot, labels) {
    const { xaxis, yaxis } = plot._fullLayout;
    const size = plot.clientWidth < 600 ? 10 : 12;
    const points = labels.map((label) => ({ ...label, px: xaxis.l2p(label.x), py: yaxis.l2p(label.y) }));
    points.sort((a, b) => b.px - a.px || a.py - b.py);
    const taken = points.map((p) => ({ left: p.px - 7, right: p.px + 7, top: p.py - 7, bottom: p.py + 7 }));
    points.forEach((p) => taken.push({
      left: xaxis.l2p(p.low), right: xaxis.l2p(p.high), top: p.py - 1, bottom: p.py + 1, bar: true,
    }));
    const annotations = points.map((point) => {
      const place = findPlace(point, { size, taken, width: xaxis._length + 20, height: yaxis._length });
      if (place.boxes) taken.push(...place.boxes);
      return {
        x: point.x, y: point.y, text: point.text, font: { size }, ax: 0, ay: place.ay, showarrow: true,
        xanchor: place.anchor, align: place.anchor, arrowhead: 0, arrowwidth: 0.8, arrowcolor: "#6b737d", standoff: 6,
        borderpad: 0,
      };
    });
    return window.Plotly.relayout(plot, { annotations });
  }

  function findPlace(point, { size, taken, width, height }) {
    const length = point.text.length * size * 0.58 + 4;
    const starts = { left: point.px - 2, center: point.px - length / 2, right: point.px + 2 - length };
    // care 2: nothing is touched; 1: a name may lie on an interval; 0: a leader line may also cross what it must
    for (const [anchor, care] of [["left", 2], ["right", 2], ["left", 1], ["right", 1], ["left", 0], ["right", 0]]) {
      for (let ay = 16; ay < height; ay += size + 1) {
        for (const offset of [-ay, ay]) {
          const left = starts[anchor], y = point.py + offset;
          const name = { left, right: left + length, top: y - size * 0.65, bottom: y + size * 0.65 };
          const ends = offset < 0 ? [y, point.py - 8] : [point.py + 8, y];
          const line = { left: point.px - 1, right: point.px + 1, top: ends[0], bottom: ends[1] };
          const inside = name.top > 0 && name.bottom < height && left > 0 && name.right < width;
          const free = !taken.some((other) => (
            other.bar ? care > 1 && overlaps(name, other) : overlaps(name, other) || (care > 0 && overlaps(line, other))
          ));
          if (inside && free) return { ay: offset, anchor, boxes: [name, line] };
        }
      }
    }
    return { ay: -16, anchor: "center", boxes: null };
  }

  // On a narrow screen a smaller letter, and only whole units of an energy axis are named, of others every second tick.
  function narrow(layout) {
    layout.font.size = 11;
    const named = (layout.xaxis.ticktext || []).filter((text) => text);
    if (named.length <= 4) return;
    const whole = named.filter((text) => /^1 /.test(text));
    const kept = whole.length ? whole : named.filter((_, index) => index % 2 === 0);
    layout.xaxis.ticktext = layout.xaxis.ticktext.map((text) => (kept.includes(text) ? text : ""));
  }

  function draw(element) {
    const figure = JSON.parse(document.getElementById(element.id + "-data").textContent);
    if (element.clientWidth < 600) narrow(figure.layout);
    return window.Plotly.newPlot(element, figure.data, figure.layout, config).then(function () {
      if (!figure.labels) return null;
      let width = element.clientWidth;
      window.addEventListener("resize", function () {
        window.setTimeout(function () {
          if (element.clientWidth === width) return;
          width = element.clientWidth;
          placeLabels(element, figure.labels);
        }, 300);
      });
      return placeLabels(element, figure.labels);
    });
  }

  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach((details) => { details.open = true; });
  });
  const charts = Array.from(document.querySelectorAll(".chart"), draw);
  Promise.all(charts).then(function () { document.documentElement.dataset.charts = "drawn"; });
})();
