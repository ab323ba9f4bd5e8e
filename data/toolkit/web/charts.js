"use strict";
// Draws every figure[data-chart] from the JSON of #charts-data: lines, bands, dots; read off by pointer or arrow keys.
(() => {
  const { tag, svg } = elements;
  const charts = JSON.parse(document.getElementById("charts-data").textContent);
  const margin = { top: 8, right: 10, bottom: 34, left: 46 };
  // As many as page.css has. A further round of them differs in dashes and marks, so that 32 series are told apart.
  const colours = 8, dashes = ["none", "7 3", "2 3", "9 3 2 3"];
  const marks = [
    (x, y, r) => `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0`,
    (x, y, r) => `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
    (x, y, r) => `M${x},${y - 1.3 * r}l${1.3 * r},${2.3 * r}h${-2.6 * r}z`,
    (x, y, r) => `M${x},${y - 1.5 * r}l${1.5 * r},${1.5 * r}l${-1.5 * r},${1.5 * r}l${-1.5 * r},${-1.5 * r}z`,
  ];

  // A line through one point is invisible, and few points should be seen as few.
  function marked(series) {
    return series.dots || known(series.y).length <= 40;
  }

  // How the series of that number looks.
  function look(index) {
    const round = Math.floor(index / colours);
    const style = `--c: var(--c${index % colours}); --dash: ${dashes[round % dashes.length]}`;
    return { style, mark: marks[round % marks.length] };
  }

  // Round numbers, about as many as asked for.
  function ticks(low, high, count) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step);
    return found;
  }

  // Powers of ten, and where they are few their doubles and fives.
  function logTicks(low, high) {
    const found = [];
    for (const factors of [[1], [1, 2, 5]]) {
      found.length = 0;
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
        for (const factor of factors) found.push(factor * 10 ** power);
      }
      if (found.filter((value) => value >= low && value <= high).length >= 3) break;
    }
    return found.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
  }

  function number(value) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size >= 1000) return Math.round(value).toLocaleString("en");
    if (size && size < 0.001) return value.toExponential(1);
    return String(+value.toPrecision(3));
  }

  function compact(value) {
    return value.toLocaleString("en", { notation: "compact" });
  }

  function known(list) {
    return list.filter((value) => value !== null && value !== undefined);
  }

  function range(values, low, high) {
    let least = Infinity, most = -Infinity;
    for (const value of values) {
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    if (least > most) [least, most] = [0, 1];
    least = low === undefined ? least : Math.min(low, least);
    most = high === undefined ? most : Math.max(high, most);
    if (least === most) [least, most] = [least - (Math.abs(least) || 1) / 2, most + (Math.abs(most) || 1) / 2];
    return [least, most];
  }

  function build(figure, chart) {
    const hidden = new Set(), legend = tag("div", { className: "legend" }), values = new Map();
    chart.series.forEach((series, index) => {
      const button = tag("button", { type: "button", title: "show or hide" }, legend);
      button.setAttribute("aria-pressed", "true");
      const { style, mark } = look(index);
      const sample = svg("svg", { viewBox: "0 0 26 12", style, "aria-hidden": "true" }, button);
      if (!series.dots && series.x.length > 1) svg("path", { class: "curve", d: "M0,6h26" }, sample);
      if (marked(series)) svg("path", { class: "dot", d: mark(13, 6, 3.5) }, sample);
      button.append(series.name);
      if (!series.dots) values.set(series, tag("b", {}, button));
      button.addEventListener("click", () => {
        hidden.has(series) ? hidden.delete(series) : hidden.add(series);
        button.setAttribute("aria-pressed", String(!hidden.has(series)));
        draw();
      });
    });
    if (chart.level !== undefined) {
      const item = tag("span", {}, legend);
      tag("i", {}, item);
      item.append(`${chart.level_name} `);
      tag("b", { textContent: number(chart.level) }, item);
    }
    const lines = chart.series.filter((series) => !series.dots);
    const stops = [...new Set(lines.flatMap((series) => series.x))].sort((a, b) => a - b);
    const said = `${chart.title}; ${chart.y} over ${chart.x}. Last values: ` +
      lines.map((series) => `${series.name} ${number(known(series.y).at(-1))}`).join(", ");
    const plot = svg("svg", { role: "img", tabindex: "0", "aria-label": said });
    figure.append(plot, legend);
    let at = null, place = null;

    function draw() {
      const width = figure.clientWidth, height = chart.small ? 132 : 224;
      if (!width) return;
      const shown = chart.series.filter((series) => !hidden.has(series));
      let [left, right] = range(chart.series.flatMap((series) => series.x));
      const scale = chart.log ? Math.log10 : (value) => value;
      // Marks on the very edge would be cut, and their bars hidden by the axis.
      if (chart.log) [left, right] = [left / 1.3, right * 1.3];
      const heights = shown.flatMap((series) => [...known(series.y), ...(series.low || []), ...(series.high || [])]);
      if (chart.level !== undefined) heights.push(chart.level);
      let [low, high] = range(heights, chart.low, chart.high);
      const room = 0.04 * (high - low);
      if (low !== chart.low) low -= room;
      if (high !== chart.high) high += room;
      const x = (value) => margin.left + (scale(value) - scale(left)) / (scale(right) - scale(left)) * (width - margin.left - margin.right);
      const y = (value) => height - margin.bottom - (value - low) / (high - low) * (height - margin.top - margin.bottom);
      place = { x, width };

      plot.replaceChildren();
      plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
      plot.setAttribute("height", height);
      for (const value of ticks(low, high, chart.small ? 3 : 5)) {
        svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }, plot);
        svg("text", { x: margin.left - 6, y: y(value) + 4, "text-anchor": "end" }, plot, number(value));
      }
      for (const value of chart.log ? logTicks(left, right) : ticks(left, right, Math.max(2, width / 80))) {
        svg("text", { x: x(value), y: height - margin.bottom + 15, "text-anchor": "middle" }, plot, chart.log && value >= 10000 ? compact(value) : number(value));
      }
      const middle = (margin.left + width - margin.right) / 2;
      svg("text", { x: middle, y: height - 3, "text-anchor": "middle" }, plot, chart.x);
      svg("text", { x: 10, y: (height - margin.bottom) / 2, "text-anchor": "middle",
        transform: `rotate(-90 10 ${(height - margin.bottom) / 2})` }, plot, chart.y);
      if (chart.level !== undefined) {
        svg("line", { class: "level", x1: margin.left, x2: width - margin.right, y1: y(chart.level), y2: y(chart.level) }, plot);
      }
      const clouds = shown.filter((series) => series.dots);
      for (const series of [...clouds, ...shown.filter((series) => !series.dots)]) {
        // Bars of several series at one place would hide one another: each stands a little aside.
        const meets = series.bars && chart.series.some((other) => other !== series && other.x.some((value) => series.x.includes(value)));
        const aside = meets ? 4 * (chart.series.indexOf(series) - (chart.series.length - 1) / 2) : 0;
        const { style, mark } = look(chart.series.indexOf(series));
        const group = svg("g", { transform: `translate(${aside} 0)`, style }, plot);
        const points = series.x.map((value, k) => [x(value), series.y[k]]).filter((point) => point[1] !== null)
          .map(([across, value]) => [across, y(value)]);
        if (series.bars) {
          series.x.forEach((value, k) => svg("line", { class: "bar", x1: x(value), x2: x(value), y1: y(series.low[k]), y2: y(series.high[k]) }, group));
        } else if (series.low) {
          const edge = [...series.x.map((value, k) => [x(value), y(series.low[k])]),
            ...series.x.map((value, k) => [x(value), y(series.high[k])]).reverse()];
          svg("polygon", { class: "band", points: edge.join(" ") }, group);
        }
        if (series.dots) group.setAttribute("class", "cloud");
        else svg("polyline", { class: "curve", points: points.join(" ") }, group);
        if (marked(series)) {
          const size = series.dots ? 1.7 : series.bars ? 3.5 : 2.2;
          for (const [across, value] of points) svg("path", { class: "dot", d: mark(across, value, size) }, group);
        }
      }
      if (at !== null) {
        svg("line", { class: "cross", x1: x(stops[at]), x2: x(stops[at]), y1: margin.top, y2: height - margin.bottom }, plot);
        svg("text", { x: x(stops[at]), y: height - margin.bottom + 15, "text-anchor": "middle", "font-weight": "bold",
          stroke: "var(--paper)", "stroke-width": 5, "paint-order": "stroke" }, plot, number(stops[at]));
      }
      for (const [series, label] of values) {
        // At rest the latest values, where later means something.
        const k = at !== null ? series.x.indexOf(stops[at]) : clouds.length ? -1 : series.y.length - 1;
        label.textContent = k < 0 ? "" : ` ${number(series.y[k])}`;
      }
    }

    function goTo(index) {
      if (index === at) return;
      at = index;
      draw();
    }

    plot.addEventListener("pointermove", (event) => {
      const scale = place.width / plot.clientWidth, across = event.offsetX * scale;
      const far = (k) => Math.abs(place.x(stops[k]) - across);
      goTo(stops.reduce((best, _, k) => (far(k) < far(best) ? k : best), 0));
    });
    plot.addEventListener("pointerleave", () => goTo(null));
    plot.addEventListener("blur", () => goTo(null));
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      goTo(Math.min(stops.length - 1, Math.max(0, at === null ? stops.length - 1 : at + step)));
    });
    new ResizeObserver(draw).observe(figure);
  }

  for (const figure of document.querySelectorAll("[data-chart]")) build(figure, charts[figure.dataset.chart]);
})();
