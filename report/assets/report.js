(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const css = name => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const color = i => css("c" + (i % 7));
  const charts = [];

  // Numbers as in the tables: no thousands separators, no exponents.
  function number(v, digits) {
    return v == null ? "–" : v.toFixed(digits);
  }
  function short(v) {
    return v == null ? "" : String(parseFloat(v.toPrecision(6)));
  }

  function axis(label, more) {
    return Object.assign({
      label: label, labelSize: 20, labelGap: 0, size: 34, gap: 4, labelFont: "12px system-ui, sans-serif", font: "12px system-ui, sans-serif",
      stroke: () => css("soft"), grid: { stroke: () => css("grid"), width: 1 }, ticks: { stroke: () => css("grid"), width: 1, size: 5 },
    }, more);
  }

  // Powers of ten, with 2 and 5 between them where there are few.
  function logSplits(u, i, min, max) {
    const splits = [], few = max / min < 1000;
    for (let e = Math.floor(Math.log10(min)); e <= Math.ceil(Math.log10(max)); e++) {
      for (const digit of few ? [1, 2, 5] : [1]) {
        const v = digit * Math.pow(10, e);
        if (v >= min && v <= max) splits.push(v);
      }
    }
    return splits;
  }

  function logRange(u, min, max) {
    return min == null ? [1, 10] : [min / 1.3, max * 2];
  }

  function yAxis(label, log) {
    return axis(label, Object.assign({ size: 64, values: (u, vs) => vs.map(short) }, log ? { splits: logSplits, filter: (u, vs) => vs } : {}));
  }

  function phases(u) {
    const ctx = u.ctx, box = u.bbox;
    ctx.save();
    ctx.font = 11 * devicePixelRatio + "px system-ui, sans-serif";
    ctx.textBaseline = "top";
    for (const p of data.phases) {
      const from = Math.max(u.valToPos(p.from, "x", true), box.left);
      const to = Math.min(u.valToPos(p.to, "x", true), box.left + box.width);
      if (to <= from) continue;
      const background = css(p.name);
      if (background) {
        ctx.fillStyle = background;
        ctx.fillRect(from, box.top, to - from, box.height);
      }
      if (ctx.measureText(p.name).width + 8 * devicePixelRatio < to - from) {
        ctx.fillStyle = css("soft");
        ctx.fillText(p.name, from + 4 * devicePixelRatio, box.top + 3 * devicePixelRatio);
      }
    }
    ctx.restore();
  }

  // A fault is a bar at the top with its name below, a dashed line where it begins, and a dotted line with a symbol for every moment of its recovery.
  function faults(u) {
    const ctx = u.ctx, box = u.bbox, px = devicePixelRatio;
    const x = at => u.valToPos(at, "x", true);
    const inside = at => at >= box.left && at <= box.left + box.width;
    function vertical(at, dashes) {
      ctx.setLineDash(dashes.map(d => d * px));
      ctx.beginPath();
      ctx.moveTo(at, box.top);
      ctx.lineTo(at, box.top + box.height);
      ctx.stroke();
    }
    ctx.save();
    ctx.font = 11 * px + "px system-ui, sans-serif";
    ctx.strokeStyle = ctx.fillStyle = css("soft");
    ctx.lineWidth = px;
    let end = 0, row = 0;
    for (const f of data.faults) {
      const from = Math.max(x(f.from), box.left), to = Math.min(Math.max(x(f.to), from + 2 * px), box.left + box.width);
      if (to <= from) continue;
      ctx.fillRect(from, box.top, to - from, 4 * px);
      if (inside(x(f.from))) vertical(x(f.from), [4, 2]);
      const width = ctx.measureText(f.name).width, at = Math.max(box.left, Math.min(from + 4 * px, box.left + box.width - width));
      row = at < end ? row + 1 : 0;
      end = Math.max(end, at + width + 6 * px);
      ctx.textBaseline = "top";
      ctx.fillText(f.name, at, box.top + (18 + 13 * (row % 3)) * px);
      ctx.textBaseline = "bottom";
      for (const m of f.marks) {
        if (!inside(x(m.at))) continue;
        vertical(x(m.at), [1.5, 2]);
        ctx.fillText(m.symbol, x(m.at) - ctx.measureText(m.symbol).width / 2, box.top + box.height);
      }
    }
    ctx.restore();
  }

  function draw(id, options, columns) {
    const at = document.getElementById(id);
    if (!at || columns.length < 2 || columns[0].length === 0) return;
    const width = () => Math.max(240, at.clientWidth);
    const chart = new uPlot(Object.assign({ width: width(), height: options.tall || 190, cursor: {} }, options), columns, at);
    charts.push({ chart: chart, resize: () => chart.setSize({ width: width(), height: options.tall || 190 }) });
  }

  // A value between two that were not measured has no line; it gets a dot.
  function alone(u, i) {
    const values = u.data[i];
    return values.map((v, at) => at).filter(at => values[at] != null && values[at - 1] == null && values[at + 1] == null);
  }

  function line(label, i, digits, more) {
    const dots = { show: true, size: 5, width: 0, fill: () => color(i), filter: alone };
    return Object.assign({ label: label, stroke: () => color(i), width: 2, points: dots, value: (u, v) => number(v, digits) }, more);
  }

  function curve() {
    const percentile = v => v == null ? "–" : v === 1 ? "min" : parseFloat((100 * (1 - 1 / v)).toPrecision(Math.ceil(Math.log10(v)) + 3)) + "%";
    const splits = (u, i, min, max) => {
      const at = u.width < 600 ? [2] : [1, 2, 4];
      for (let v = 10; v <= max * 1.000001; v *= 10) at.push(v);
      return at.filter(v => v >= min);
    };
    draw("curve", {
      tall: 360,
      scales: { x: { time: false, distr: 3, range: (u, min, max) => min == null ? [1, 10] : [min, max] }, y: { distr: 3, range: logRange } },
      axes: [
        axis("share of samples that were at least as fast", {
          splits: splits, filter: (u, vs) => vs, values: (u, vs) => vs.map(percentile) }),
        yAxis("latency, ms", true),
      ],
      series: [{ label: "percentile", value: (u, v) => percentile(v) }]
        .concat(data.curves.map((c, i) => line(c.label, i, 2, { show: !c.hidden }))),
    }, [data.curveX].concat(data.curves.map(c => c.ms)));
  }

  const wholeSeconds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];

  function seconds(id, label, series, more) {
    if (data.seconds.length && series.every(s => s.values.every(v => v == null))) {
      const note = document.createElement("p");
      note.className = "soft small";
      note.textContent = label + ": no second of the run has enough samples.";
      document.getElementById(id).replaceChildren(note);
      return;
    }
    const log = more && more.log;
    draw(id, {
      cursor: { sync: { key: "seconds" } },
      scales: { x: { time: false, range: (u, min, max) => min == null ? [0, data.until] : [min, max] }, y: log ? { distr: 3, range: logRange } : { range: (u, min, max) => [0, (max || 1) * 1.15] } },
      axes: [axis(more && more.last ? "seconds since the first intended send" : undefined, { labelSize: more && more.last ? 20 : 0, values: (u, vs) => vs.map(short), incrs: wholeSeconds }), yAxis(label, log)],
      series: [{ label: "second", value: (u, v) => v == null ? "–" : String(v) }].concat(series.map((s, i) => line(s.label, s.color == null ? i : s.color, s.digits || 0))),
      hooks: { drawClear: [phases, faults] },
    }, [data.seconds].concat(series.map(s => s.values)));
  }

  function all() {
    curve();
    const t = data.timeline;
    seconds("rates", "events/s", [{ label: "offered", values: t.offered, color: 3 }, { label: "acknowledged", values: t.acked, color: 4 }, { label: "processed", values: t.processed, color: 0 }]);
    seconds("lag", "lag, events", [{ label: "acknowledged, not yet processed", values: t.lag, color: 2 }]);
    seconds("latency", "alert, ms", [{ label: "p99", values: t.alertP99, color: 1, digits: 2 }, { label: "p50", values: t.alertP50, color: 4, digits: 2 }], { log: true, last: true });
    seconds("query", "query p99, ms", [{ label: "p99", values: t.queryP99, color: 1, digits: 2 }], { log: true, last: true });
    seconds("cpu", "CPU, cores", data.cpu.map(c => ({ label: c.name, values: c.values, digits: 2 })));
    seconds("rss", "memory, MiB", data.rss.map(c => ({ label: c.name, values: c.values })), { last: true });
  }

  function redraw() {
    for (const c of charts) c.chart.redraw(false);
  }

  all();
  window.addEventListener("resize", () => charts.forEach(c => c.resize()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  window.addEventListener("beforeprint", () => { root.classList.add("paper"); redraw(); });
  window.addEventListener("afterprint", () => { root.classList.remove("paper"); redraw(); });
})();
