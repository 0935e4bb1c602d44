package report

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"lkbench/results"
)

// sectionsOf is what stands of faults and reprocesses under the table.
func sectionsOf(t *testing.T, width int, run *Run) string {
	t.Helper()
	all := drawn(t, width, false, run)
	i := strings.Index(all, "\nkappa: ")
	if i < 0 {
		t.Fatalf("no section in %s", all)
	}
	return all[i+1:]
}

func TestFaultsAndReprocessesInATerminal(t *testing.T) {
	want := `kappa: faults and recovery
                            1 crash         2 latency
─────────────────────────────────────────────────────
target                       stream            stream
injected at                 25.00 s           50.00 s
lasted                       2.00 s           n/a [1]
bands from         before the fault           control
observed for                 25.0 s             8.0 s
detected                    0.004 s           n/a [2]
first output                 2.40 s            0.00 s
downtime                      2.3 s           n/a [3]
lag back                     4.50 s          > 8.00 s
alert p99 back               5.40 s          > 5.00 s
freshness back               4.62 s          > 5.00 s
all answers right            4.64 s           n/a [4]
peak lag, events              11550              9000
peak alert p99              2306 ms               n/a
excess, event-s               26450               n/a
wrong answers                     0                 0
failed queries                    3                 0
  > not by the end of the observation: the true time is longer
  [1] its cause was not taken away
  [2] nobody saw the target end
  [3] no baseline, or nobody could say what was processed
  [4] no answers in the last 3.0 s of the observation
  1: SIGKILL to process 4711, gone after 0.3 ms
  1: observed until the next fault only, for 25.0 s
  2: 400 ms to postgres

kappa: reprocessing
                           1         2
──────────────────────────────────────
requested at         20.00 s   50.00 s
started at           20.05 s   n/a [1]
switched at          23.25 s   n/a [1]
done at              28.30 s   n/a [1]
attempts                   1         2
events                100000         0
events/s               31250       n/a
first right answer    3.26 s  > 8.00 s
all answers right     3.31 s   n/a [2]
wrong answers              0         0
alerts of history       1234         0
extra CPU              2.5 s       n/a
extra memory          64 MiB       n/a
extra disk            32 MiB       n/a
alert p99 before    12.50 ms       n/a
alert p99 during    48.25 ms       n/a
freshness before    11.00 ms       n/a
freshness during    40.50 ms       n/a
  > not by the end of the observation: the true time is longer
  [1] not reached by the end of the run
  [2] history was not corrected
  1: rules changed: absolute_inr = 40000, premium_inr = 12000
  2: the same rules again
`
	if diff := cmp.Diff(want, sectionsOf(t, 80, crashed(t))); diff != "" {
		t.Error(diff)
	}
}

// Many faults stand in several tables under each other, none wider than the terminal, and none is lost.
func TestManyFaultsFitATerminal(t *testing.T) {
	run := crashed(t)
	for i := range 9 {
		run.Record.Faults = append(run.Record.Faults, results.Fault{Kind: "pause", Target: "stream", InjectedAtS: new(float64(60 + i)), Recovery: run.Record.Faults[0].Recovery})
	}
	run.Record.Faults = append(run.Record.Faults, results.Fault{Kind: "crash", Target: "broker", PlannedAtS: 90, Failure: "no process runs"})
	for _, width := range []int{40, 80, 120} {
		got := sectionsOf(t, width, run)
		for line := range strings.Lines(got) {
			if w := twwidth.Width(strings.TrimSuffix(line, "\n")); w > width {
				t.Errorf("width %d: %d columns: %q", width, w, line)
			}
		}
		for _, want := range []string{"1 crash", "2 latency", "11 pause", "12 crash", "it did not take effect"} {
			if !strings.Contains(got, want) {
				t.Errorf("width %d: no %q in\n%s", width, want, got)
			}
		}
	}
}

func TestRunsWithoutFaultsHaveNoSections(t *testing.T) {
	if got := drawn(t, 80, false, sample(t, "kappa", 1)); strings.Contains(got, "recovery") || strings.Contains(got, "reprocessing") {
		t.Error(got)
	}
}

// What is seen of a fault comes from the folder alone.
func TestRecoveryIsRebuiltFromTheFolder(t *testing.T) {
	run := crashed(t)
	folder, err := results.Create(t.TempDir(), "run")
	if err != nil {
		t.Fatal(err)
	}
	var tenths, seconds, log bytes.Buffer
	if err := results.WriteTenths(&tenths, run.Tenths); err != nil {
		t.Fatal(err)
	}
	if err := results.WriteTimeline(&seconds, run.Timeline); err != nil {
		t.Fatal(err)
	}
	if _, err := results.NewLogWriter(&log, time.Unix(1_800_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{results.TenthsFile: tenths.Bytes(), results.TimelineFile: seconds.Bytes(), results.LatencyFile: log.Bytes()} {
		if err := folder.Write(name, content); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := folder.Commit(run.Record)
	if err != nil {
		t.Fatal(err)
	}
	read, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, read); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"recovery-1.png", "recovery-2.png"} {
		got, err := os.ReadFile(filepath.Join(dir, "plots", name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := RecoveryPNG(run, i)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from the picture of the run that was saved", name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, results.TenthsFile), []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), results.TenthsFile+": line 1") {
		t.Errorf("damaged rows of 100 ms: %v", err)
	}
}

// decoded gives the colour of every pixel of a picture.
func decoded(t *testing.T, content []byte) (img image.Image, at func(x, y int) color.RGBA) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return img, func(x, y int) color.RGBA { return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA) }
}

// widest is the longest run of one colour in any line of a picture between two heights: its first and its last pixel.
func widest(img image.Image, at func(x, y int) color.RGBA, c color.RGBA, top, bottom int) (from, to int) {
	for y := top; y < bottom; y++ {
		begin := -1
		for x := range img.Bounds().Dx() + 1 {
			if x < img.Bounds().Dx() && at(x, y) == c {
				if begin < 0 {
					begin = x
				}
				continue
			}
			if begin >= 0 && x-begin > to-from {
				from, to = begin, x
			}
			begin = -1
		}
	}
	return from, to
}

func TestPictureOfARecovery(t *testing.T) {
	run := crashed(t)
	content, err := RecoveryPNG(run, 0)
	if err != nil {
		t.Fatal(err)
	}
	img, at := decoded(t, content)
	if size := img.Bounds().Size(); size.X != plotWidth || size.Y != recoveryHeight {
		t.Fatalf("the picture is %v", size)
	}
	// The bar of the fault is 2.0 of the 35 s that the picture shows, and begins behind 10 of them; the plot is about 880 pixels wide.
	from, to := widest(img, at, faultGrey, 0, 75) // the marks lie below
	if width := to - from; width < 46 || width > 54 || from < 335 || from > 355 {
		t.Errorf("the bar of the fault lies from %d to %d", from, to)
	}
	for name, c := range map[string]struct {
		color.RGBA
		top, bottom int
	}{"processed": {blue, 225, 430}, "lag": {green, 430, 640}, "latency": {vermillion, 640, 880}} {
		n := 0
		for y := range recoveryHeight {
			for x := range plotWidth {
				if at(x, y) == c.RGBA {
					n++
					if y < c.top || y > c.bottom {
						t.Fatalf("%s is drawn at %d, outside of its plot", name, y)
					}
				}
			}
		}
		if n < 300 {
			t.Errorf("the line of %s has %d pixels", name, n)
		}
	}
	// A mark that moves, or is not there any more, changes the picture.
	for name, spoil := range map[string]func(r *results.Recovery){
		"later": func(r *results.Recovery) { r.LagBack = results.Span{S: new(9.0)} }, "censored": func(r *results.Recovery) { r.LagBack.Censored = true },
		"not measured": func(r *results.Recovery) { r.LagBack = results.Span{Why: "no baseline"} },
	} {
		other := crashed(t)
		spoil(other.Record.Faults[0].Recovery)
		if changed, err := RecoveryPNG(other, 0); err != nil || bytes.Equal(changed, content) {
			t.Errorf("%s: the picture is the same (%v)", name, err)
		}
	}
	if _, err := RecoveryPNG(&Run{Record: &results.Record{Faults: []results.Fault{{}}}}, 0); err == nil {
		t.Error("a picture of a fault that never took effect")
	}
	if _, err := RecoveryPNG(&Run{Record: &results.Record{Faults: []results.Fault{{InjectedAtS: new(3.0), Recovery: &results.Recovery{}}}}}, 0); err != nil {
		t.Errorf("a picture of a run without rows: %v", err)
	}
}

// Shapes and symbols tell the marks apart, so no two may be the same.
func TestMarksDiffer(t *testing.T) {
	all := marks(results.Fault{InjectedAtS: new(5.0), Recovery: &results.Recovery{LagBack: results.Span{S: new(2.5)}}})
	shapes, symbols := map[any]bool{}, map[string]bool{}
	for _, m := range all {
		shapes[m.shape], symbols[m.symbol] = true, true
		if m.name == "lag back" && m.at != 7.5 {
			t.Errorf("lag was back at %v s", m.at)
		}
	}
	if len(all) != 6 || len(shapes) != 6 || len(symbols) != 6 {
		t.Errorf("%d marks, %d shapes, %d symbols", len(all), len(shapes), len(symbols))
	}
}

func TestFaultsInTheTimeline(t *testing.T) {
	run := crashed(t)
	content, err := TimelinePNG(run)
	if err != nil {
		t.Fatal(err)
	}
	img, at := decoded(t, content)
	// The second fault lasts to the end: 8 of 58 s of about 905 pixels.
	if from, to := widest(img, at, faultGrey, 0, plotHeight/3); to-from < 115 || to-from > 135 || to < 970 {
		t.Errorf("the longest fault lies from %d to %d", from, to)
	}
	c := chartData(run)
	if len(c.Faults) != 2 || c.Faults[0].Name != "1 crash of stream" || c.Faults[0].To != 27 || len(c.Faults[0].Marks) != 6 || c.Faults[1].To != 58 || len(c.Faults[1].Marks) != 1 {
		t.Errorf("faults of the page: %+v", c.Faults)
	}
}

func TestFaultsInThePage(t *testing.T) {
	run := crashed(t)
	run.Record.Batch = []results.Batch{{Generation: 1, AgeS: new(15.25), RealtimeRows: new(int64(4321))}, {Generation: 2}}
	html := rendered(t, run)
	for _, want := range []string{"<h2>Faults and recovery</h2>", "<h2>Reprocessing</h2>", "1 crash</td>", `<td class="n">&gt; 8.00 s</td>`, `<td class="n">n/a [1]</td>`,
		"[1] its cause was not taken away", "rules changed: absolute_inr = 40000, premium_inr = 12000", `<td class="n">15.25</td><td class="n">4321</td>`,
		`<td class="n">–</td><td class="n">n/a</td>`, "▲ first output, ■ lag back"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	run.Record.Resources[0].CPUS, run.Record.Resources[0].MaxRSSBytes = nil, nil
	rendered(t, run) // what is not known of a resource is no error
}
