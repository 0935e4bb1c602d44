package report

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lkbench/results"
)

// hostile is a run in which every text a user or a system could choose tries to break out of the page.
func hostile(t testing.TB) *Run {
	run := sample(t, "lambda", 1)
	const evil = `</script><script>document.title="broken"</script><img src=x onerror="document.title='broken'"> {{.}} ${1} ' " \ `
	r := run.Record
	r.RunID, r.Arch, r.Engine, r.Infra, r.InfraLabel, r.Scenario = evil, evil, evil, evil, evil, evil
	r.Verdict = results.Verdict{Status: results.Incorrect, Reasons: []string{evil}}
	r.Correctness.Differences = []results.Difference{{View: evil, Kind: evil, Key: evil, Expected: evil, Observed: evil}}
	r.Restarts = []results.Restart{{Component: evil, Reason: evil}}
	r.Faults = []results.Fault{{Kind: evil, Target: evil, Failure: evil}, {Kind: evil, Target: evil, What: evil, InjectedAtS: new(20.0),
		Recovery: &results.Recovery{Baseline: evil, LagBack: results.Span{Why: evil}, P99Back: results.Span{S: new(2.0)}, Notes: []string{evil}}}}
	r.Reprocess = []results.Reprocess{{Rules: map[string]string{evil: evil}, FirstRight: results.Span{Why: evil}}}
	r.Data = &results.Data{Path: evil, SHA256: evil, OrderOfEvents: evil}
	r.Environment.Command = append(r.Environment.Command, evil, "--data=it's a file.csv")
	r.Environment.Version, r.Environment.CPU = evil, evil
	r.Environment.KafkaSettings[evil] = evil
	r.Thresholds = append(r.Thresholds, results.Threshold{Expression: evil, Unit: evil})
	r.Phases = append(r.Phases, results.Phase{Name: evil, FromS: 30, ToS: 31})
	r.Resources[0].Component, r.Batch[0].Mode, r.Positions[0].Component = evil, evil, evil
	r.Latency.AlertByRule[evil] = r.Latency.Alert
	run.Series[results.TagAlert+"."+evil] = run.Series[results.TagAlert]
	run.Timeline[3].CPU[evil] = 1
	return run
}

func rendered(t testing.TB, run *Run) string {
	t.Helper()
	content, err := HTML(run)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestPageTellsTheVerdictFirstAndTheCommandLast(t *testing.T) {
	run := sample(t, "lambda", 1)
	run.Record.Verdict = results.Verdict{Status: results.Invalid, Reasons: []string{"the run was interrupted"}}
	html := rendered(t, run)
	at := 0
	for _, want := range []string{"<body>", `class="verdict invalid"`, "the run was interrupted", "alert latency p50, ms", "Latencies", `id="curve"`, `id="rates"`, `id="cpu"`,
		"Correctness", "Batch generations", "Environment", "lkbench run --arch=lambda,kappa --scenario=spike</pre>", `id="data"`} {
		i := strings.Index(html[at:], want)
		if i < 0 {
			t.Fatalf("%q is missing after byte %d", want, at)
		}
		at += i
	}
}

// A page of a run that checked nothing shows no zero where a count of defects would stand.
func TestPageOfAnUncheckedRunHasNoGoodNumbers(t *testing.T) {
	html := rendered(t, &Run{Record: &results.Record{}})
	for _, name := range []string{"rows missing", "rows unexpected", "answers wrong", "events lost by the broker", "late events counted as late"} {
		if !strings.Contains(html, "<span>"+name+"</span><span>"+none+"</span>") {
			t.Errorf("%s is not %s", name, none)
		}
	}
	if !strings.Contains(html, `class="verdict unverified"`) || !strings.Contains(html, "<b>"+none+"</b><span>throughput, events/s</span>") {
		t.Error("an unverified run looks like a verified one")
	}
}

// Whatever the page would load from elsewhere stands in one of these.
var reference = regexp.MustCompile(`(?i)(\b(src|href|action|data|poster|srcset)\s*=\s*["']?\s*(https?:)?//)|@import|url\(\s*["']?(https?:)?//`)

func TestPageNamesNothingToLoad(t *testing.T) {
	for name, run := range map[string]*Run{"sample": sample(t, "kappa", 1), "empty": {Record: &results.Record{}}} {
		if found := reference.FindString(rendered(t, run)); found != "" {
			t.Errorf("%s: %s", name, found)
		}
	}
	if !reference.MatchString(`<script src="https://example.org/x.js">`) || !reference.MatchString(`url('//example.org/x')`) {
		t.Error("this test finds nothing")
	}
}

func TestHostileTextsAreText(t *testing.T) {
	html := rendered(t, hostile(t))
	for _, bad := range []string{`<script>document.title`, `<img src=x`, `onerror="document`} {
		if strings.Contains(html, bad) {
			t.Errorf("%s came through", bad)
		}
	}
	if n := strings.Count(html, "</script>"); n != 3 {
		t.Errorf("%d scripts end, want the page's 3", n)
	}
	if !strings.Contains(html, `&#39;--data=it&#39;\&#39;&#39;s a file.csv&#39;</pre>`) {
		t.Error("the command is not what a shell would read")
	}
}

func TestWriteMakesTheFiles(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, sample(t, "kappa", 1)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"report.html", "plots/latency.png", "plots/timeline.png"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 5000 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if err := Write(filepath.Join(dir, "report.html"), sample(t, "kappa", 1)); err == nil {
		t.Error("no error for a folder that is a file")
	}
}

// watcher is put into a copy of the page: it notes errors from the first moment on, and at the end which pictures hold
// pixels in the colours of their lines.
const watcher = `<script>
var seen = [];
addEventListener("error", e => seen.push("error: " + (e.message || e.target.outerHTML)), true);
addEventListener("securitypolicyviolation", e => seen.push("request: " + e.blockedURI));
addEventListener("load", () => setTimeout(() => {
  const canvases = [...document.querySelectorAll(".chart canvas")];
  const style = getComputedStyle(document.documentElement);
  const palette = new Set([0, 1, 2, 3, 4, 5, 6].map(i => parseInt(style.getPropertyValue("--c" + i).trim().slice(1), 16)));
  const drawn = canvases.filter(canvas => {
    const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let n = 0;
    for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255 && palette.has(d[i] << 16 | d[i + 1] << 8 | d[i + 2])) n++;
    return n >= 20;
  });
  performance.getEntriesByType("resource").forEach(e => seen.push("request: " + e.name));
  if (document.documentElement.scrollWidth > innerWidth) seen.push("wider than the window: " + document.documentElement.scrollWidth);
  if (document.title.startsWith("broken")) seen.push("a hostile text was run");
  document.body.textContent = "WATCHED " + canvases.length + " canvases, " + drawn.length + " drawn; " + seen.join("; ") + " END";
}, 300));
</script>`

// browse opens the page in a real browser and says what the watcher saw, and what the browser's console said.
func browse(t *testing.T, html string, width string) (watched, console string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts a browser; make test does")
	}
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no chromium, which CI must have")
		}
		t.Skip("no chromium on this machine")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "report.html")
	html = strings.Replace(html, "<head>", "<head>"+watcher, 1)
	if err := os.WriteFile(file, []byte(html), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--window-size="+width+",900", "--virtual-time-budget=5000", "--enable-logging=stderr", "--dump-dom", "file://"+file)
	cmd.Env = append(os.Environ(), "LANG=en_US.UTF-8", "HOME="+dir)
	cmd.WaitDelay = time.Second
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	watched = regexp.MustCompile(`(?s)WATCHED [0-9].* END`).FindString(out.String())
	if watched == "" {
		t.Fatalf("the page did not come to its end\n%.2000s\n%s", out.String(), log.String())
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	return watched, console
}

// everyOtherSecond leaves values that no line can join.
func everyOtherSecond(run *Run) *Run {
	var some []results.Second
	for _, s := range run.Timeline {
		if s.Second%2 == 0 {
			some = append(some, s)
		}
	}
	run.Timeline = some
	return run
}

func TestPageInABrowser(t *testing.T) {
	for _, c := range []struct {
		name, width string
		run         *Run
		want        string
	}{
		{"wide", "1440", sample(t, "lambda", 1), "WATCHED 7 canvases, 7 drawn;  END"},
		{"narrow", "500", sample(t, "kappa", 1), "WATCHED 7 canvases, 7 drawn;  END"},
		{"hostile", "1440", hostile(t), "WATCHED 7 canvases, 7 drawn;  END"},
		{"every other second", "1440", everyOtherSecond(sample(t, "kappa", 1)), "WATCHED 7 canvases, 7 drawn;  END"},
		{"faults", "1440", crashed(t), "WATCHED 4 canvases, 4 drawn;  END"},
		{"empty", "1440", &Run{Record: &results.Record{}}, "WATCHED 0 canvases, 0 drawn;  END"},
	} {
		t.Run(c.name, func(t *testing.T) {
			watched, console := browse(t, rendered(t, c.run), c.width)
			if watched != c.want || console != "" {
				t.Errorf("%s\n%s", watched, console)
			}
		})
	}
}

// The test above is worth something only if it sees what is wrong.
func TestBrowserTestSeesWhatIsWrong(t *testing.T) {
	html := rendered(t, sample(t, "kappa", 1))
	for _, c := range []struct{ name, old, new, want string }{
		{"script error", "all();\n", "all(); nothing.here();\n", "error: "},
		{"external request", "<main>", `<main><img src="https://localhost:1/x.png">`, "request: https://localhost:1"},
		{"nothing drawn", "new uPlot(", "new (class { constructor(o, c, at) { at.innerHTML = '<canvas></canvas>' } })(", "0 drawn"},
		{"too wide", "<main>", `<main><div style="width:3000px">x</div>`, "wider than the window"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spoiled := strings.Replace(html, c.old, c.new, 1)
			if spoiled == html {
				t.Fatalf("%q is not in the page", c.old)
			}
			if watched, _ := browse(t, spoiled, "1440"); !strings.Contains(watched, c.want) {
				t.Errorf("%s, want %q", watched, c.want)
			}
		})
	}
}
