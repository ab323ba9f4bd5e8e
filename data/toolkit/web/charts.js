"use strict";
// Draws every figure[data-chart] from the JSON of #charts-data. A pointer or the arrow keys read single values.
(() => {
  const { tag, svg } = elements;
  const charts = JSON.parse(document.getElementById("charts-data").textContent);
  const margin = { top: 8, right: 10, bottom: 34, left: 46 };
  // As many colours as page.css has. Each further round has other dashes and marks, so that 32 series differ.
  const colours = 8, dashes = ["none", "7 3", "2 3", "9 3 2 3"];
  const marks = [
    (x, y, r) => `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0`,
    (x, y, r) => `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
    (x, y, r) => `M${x},${y - 1.3 * r}l${1.3 * r},${2.3 * r}h${-2.6 * r}z`,
    (x, y, r) => `M${x},${y - 1.5 * r}l${1.5 * r},${1.5 * r}l${-1.5 * r},${1.5 * r}l${-1.5 * r},${-1.5 * r}z`,
  ];
  const known = (list) => list.filter((value) => value !== null && value !== undefined);
  const compact = (value) => value.toLocaleString("en", { notation: "compact" });
  // A line through one point is invisible, and few points should be seen as few.
  const marked = (series) => series.dots || known(series.y).length <= 40;

  function styleOf(index) {
    const round = Math.floor(index / colours);
    const style = `--c: var(--c${index % colours}); --dash: ${dashes[round % dashes.length]}`;
    return { style, mark: marks[round % marks.length] };
  }

  // Round numbers, about `count` of them.
  function ticks(low, high, count) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough)), found = [];
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step);
    return found;
  }

  // Powers of ten. Where they are few, their doubles and fives too.
  function logTicks(low, high) {
    const powers = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) powers.push(10 ** power);
    const within = (list) => list.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
    const found = within(powers);
    return found.length >= 3 ? found : within(powers.flatMap((power) => [power, 2 * power, 5 * power]));
  }

  function number(value) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size >= 1000) return Math.round(value).toLocaleString("en");
    return size && size < 0.001 ? value.toExponential(1) : String(+value.toPrecision(3));
  }

  function range(values, low, high) {
    const all = known([...(values.length ? values : [0, 1]), low, high]);
    const least = Math.min(...all), most = Math.max(...all), room = (Math.abs(least) || 1) / 2;
    return least === most ? [least - room, most + room] : [least, most];
  }

  function build(figure, chart) {
    const hidden = new Set(), legend = tag("div", { className: "legend" }), labels = new Map();
    chart.series.forEach((series, index) => {
      const button = tag("button", { type: "button", title: "show or hide" }, legend);
      button.setAttribute("aria-pressed", "true");
      const { style, mark } = styleOf(index);
      const sample = svg("svg", { viewBox: "0 0 26 12", style, "aria-hidden": "true" }, button);
      if (!series.dots && series.x.length > 1) svg("path", { class: "curve", d: "M0,6h26" }, sample);
      if (marked(series)) svg("path", { class: "dot", d: mark(13, 6, 3.5) }, sample);
      button.append(series.name);
      if (!series.dots) labels.set(series, tag("b", {}, button));
      button.addEventListener("click", () => {
        hidden.has(series) ? hidden.delete(series) : hidden.add(series);
        button.setAttribute("aria-pressed", String(!hidden.has(series)));
        draw();
      });
    });
    if (chart.level !== undefined) {
      const item = tag("span", {}, legend, tag("i"), `${chart.level_name} `);
      tag("b", { textContent: number(chart.level) }, item);
    }
    const lines = chart.series.filter((series) => !series.dots);
    const stops = [...new Set(lines.flatMap((series) => series.x))].sort((a, b) => a - b);
    const last = lines.map((series) => `${series.name} ${number(known(series.y).at(-1))}`).join(", ");
    const summary = `${chart.title}; ${chart.y} over ${chart.x}. Last values: ${last}`;
    const plot = svg("svg", { role: "img", tabindex: "0", "aria-label": summary });
    figure.append(plot, legend);
    let at = null, across = null;

    function draw() {
      const width = figure.clientWidth, height = chart.small ? 132 : 224;
      if (!width) return;
      const { top, right: edge } = margin, left = margin.left, right = width - edge, floor = height - margin.bottom;
      const shown = chart.series.filter((series) => !hidden.has(series));
      const scale = chart.log ? Math.log10 : (value) => value;
      // Marks on the very edge would be cut, and the axis would hide their bars.
      const room = chart.log ? 1.3 : 1, [from, to] = range(chart.series.flatMap((series) => series.x));
      const first = from / room, final = to * room;
      const heights = shown.flatMap((series) => known([...series.y, ...(series.low || []), ...(series.high || [])]));
      let [low, high] = range(known([...heights, chart.level]), chart.low, chart.high);
      const gap = 0.04 * (high - low);
      if (low !== chart.low) low -= gap;
      if (high !== chart.high) high += gap;
      const x = (value) => left + (scale(value) - scale(first)) / (scale(final) - scale(first)) * (right - left);
      const y = (value) => floor - (value - low) / (high - low) * (floor - top);
      across = (k) => x(stops[k]) / width;
      const line = (kind, x1, x2, y1, y2, parent = plot) => svg("line", { class: kind, x1, x2, y1, y2 }, parent);
      const text = (x, y, content, more = {}) => svg("text", { x, y, "text-anchor": "middle", ...more }, plot, content);

      plot.replaceChildren();
      plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
      plot.setAttribute("height", height);
      for (const value of ticks(low, high, chart.small ? 3 : 5)) {
        line("grid", left, right, y(value), y(value));
        text(left - 6, y(value) + 4, number(value), { "text-anchor": "end" });
      }
      for (const value of chart.log ? logTicks(first, final) : ticks(first, final, Math.max(2, width / 80))) {
        text(x(value), floor + 15, chart.log && value >= 10000 ? compact(value) : number(value));
      }
      text((left + right) / 2, height - 3, chart.x);
      text(10, floor / 2, chart.y, { transform: `rotate(-90 10 ${floor / 2})` });
      if (chart.level !== undefined) line("level", left, right, y(chart.level), y(chart.level));
      const clouds = shown.filter((series) => series.dots);
      for (const series of [...clouds, ...shown.filter((series) => !series.dots)]) {
        const others = chart.series.filter((other) => other !== series), index = chart.series.indexOf(series);
        // Bars of several series at one place would hide one another. Each is moved a little aside.
        const meets = series.bars && others.some((other) => other.x.some((value) => series.x.includes(value)));
        const aside = meets ? 4 * (index - (chart.series.length - 1) / 2) : 0;
        const { style, mark } = styleOf(index);
        const group = svg("g", { transform: `translate(${aside} 0)`, style }, plot);
        const places = (heights) => series.x.map((value, k) => [x(value), heights[k]])
          .filter((point) => point[1] !== null).map(([place, value]) => [place, y(value)]);
        const points = places(series.y);
        if (series.bars) {
          series.x.forEach((value, k) => line("bar", x(value), x(value), y(series.low[k]), y(series.high[k]), group));
        } else if (series.low) {
          const outline = [...places(series.low), ...places(series.high).reverse()];
          svg("polygon", { class: "band", points: outline.join(" ") }, group);
        }
        if (series.dots) group.setAttribute("class", "cloud");
        else svg("polyline", { class: "curve", points: points.join(" ") }, group);
        const size = series.dots ? 1.7 : series.bars ? 3.5 : 2.2;
        if (marked(series)) for (const [px, py] of points) svg("path", { class: "dot", d: mark(px, py, size) }, group);
      }
      if (at !== null) {
        const bold = { "font-weight": "bold", stroke: "var(--paper)", "stroke-width": 5, "paint-order": "stroke" };
        line("cross", x(stops[at]), x(stops[at]), top, floor);
        text(x(stops[at]), floor + 15, number(stops[at]), bold);
      }
      for (const [series, label] of labels) {
        // Without a pointer the last values, where x is a time.
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
      const far = (k) => Math.abs(across(k) - event.offsetX / plot.clientWidth);
      goTo(stops.reduce((best, _, k) => (far(k) < far(best) ? k : best), 0));
    });
    for (const leave of ["pointerleave", "blur"]) plot.addEventListener(leave, () => goTo(null));
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
