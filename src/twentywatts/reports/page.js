"use strict";
// Draws the charts whose figures stand in the page as JSON. Without JavaScript the tables hold every number.
(function () {
  const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };

  function overlaps(a, b) {
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  }

  // Put each name near its point so that no two names cover each other: try ever further places above and below.
  function placeLabels(plot, labels) {
    const { xaxis, yaxis } = plot._fullLayout;
    const size = plot.clientWidth < 600 ? 10 : 12;
    const points = labels.map((label) => ({ ...label, px: xaxis.l2p(label.x), py: yaxis.l2p(label.y) }));
    const taken = points.map((p) => ({ left: p.px - 7, right: p.px + 7, top: p.py - 7, bottom: p.py + 7 }));
    const annotations = points.map((point) => {
      const half = (point.text.length * size * 0.56) / 2 + 2;
      const shift = Math.max(half - point.px, 0) + Math.min(xaxis._length - half - point.px, 0);
      let place = null;
      for (let step = 0; step < 14 && !place; step += 1) {
        for (const side of [-1, 1]) {
          for (const slide of [0, half * 0.8, -half * 0.8]) {
            const ay = side * (17 + step * (size + 2));
            const ax = shift + (step > 0 ? slide : 0);
            const x = point.px + ax, y = point.py + ay;
            const box = { left: x - half, right: x + half, top: y - size * 0.7, bottom: y + size * 0.7 };
            const inside = box.top > 0 && box.bottom < yaxis._length && box.left > -4 && box.right < xaxis._length + 16;
            if (!place && inside && !taken.some((other) => overlaps(box, other))) place = { ax, ay, box };
          }
        }
      }
      place = place || { ax: shift, ay: -17, box: null };
      if (place.box) taken.push(place.box);
      return {
        x: point.x, y: point.y, text: point.text, font: { size }, ax: place.ax, ay: place.ay, showarrow: true,
        arrowhead: 0, arrowwidth: 0.8, arrowcolor: "#8a929c", standoff: 6, borderpad: 0,
      };
    });
    return window.Plotly.relayout(plot, { annotations });
  }

  function draw(element) {
    const figure = JSON.parse(document.getElementById(element.id + "-data").textContent);
    if (element.clientWidth < 600) {
      figure.layout.font.size = 11;
    }
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
