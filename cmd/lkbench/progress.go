package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"lkbench/internal/runner"
)

// plainEvery is the time between two lines of progress when the output is no terminal.
const plainEvery = 5 * time.Second

// progress shows how runs come along. show is called a few times a second; done once after each run.
type progress interface {
	show(runner.Snapshot)
	done()
}

// newProgress picks the form: mode is auto, plain or none.
func newProgress(mode string, w io.Writer, terminal bool) progress {
	switch {
	case mode == "none":
		return noProgress{}
	case mode == "auto" && terminal:
		return &barProgress{w: w}
	default:
		return &plainProgress{w: w}
	}
}

type noProgress struct{}

func (noProgress) show(runner.Snapshot) {}
func (noProgress) done()                {}

// plainProgress writes a line when the phase changes and every few seconds.
type plainProgress struct {
	w     io.Writer
	phase string
	last  time.Time
}

func (p *plainProgress) show(s runner.Snapshot) {
	if s.Phase == p.phase && time.Since(p.last) < plainEvery {
		return
	}
	p.phase, p.last = s.Phase, time.Now()
	fmt.Fprintf(p.w, "%s  %s  %s  %s\n", time.Now().Format("15:04:05"), heading(s), timeLeft(s), figures(s))
}

func (p *plainProgress) done() { p.phase = "" }

// barProgress keeps two lines up to date.
type barProgress struct {
	w    io.Writer
	mu   sync.Mutex
	last runner.Snapshot
	all  *mpb.Progress
	bar  *mpb.Bar
}

func (p *barProgress) show(s runner.Snapshot) {
	p.mu.Lock()
	p.last = s
	p.mu.Unlock()
	if p.bar == nil {
		p.all = mpb.New(mpb.WithOutput(p.w), mpb.WithWidth(30), mpb.WithRefreshRate(200*time.Millisecond))
		p.bar = p.all.AddBar(1,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(p.line(heading)),
			mpb.AppendDecorators(p.line(timeLeft)),
			mpb.BarExtender(mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
				p.mu.Lock()
				defer p.mu.Unlock()
				_, err := fmt.Fprintln(w, figures(p.last))
				return err
			}), false),
		)
	}
	// A total that was reached would complete the bar: one more is always left to do.
	p.bar.SetTotal(s.Total.Milliseconds()+1, false)
	p.bar.SetCurrent(min(s.Elapsed, s.Total).Milliseconds())
}

func (p *barProgress) line(text func(runner.Snapshot) string) decor.Decorator {
	return decor.Any(func(decor.Statistics) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return text(p.last) + " "
	})
}

func (p *barProgress) done() {
	if p.bar == nil {
		return
	}
	p.bar.Abort(true)
	p.all.Wait()
	p.bar = nil
}

func heading(s runner.Snapshot) string { return fmt.Sprintf("%-6s %-8s", s.Arch, s.Phase) }

func timeLeft(s runner.Snapshot) string {
	if s.Total == 0 {
		return ""
	}
	return fmt.Sprintf("%2.0f s of %.0f s", s.Elapsed.Seconds(), s.Total.Seconds())
}

func figures(s runner.Snapshot) string {
	if s.Sent == 0 {
		return s.Note
	}
	text := fmt.Sprintf("%6.0f/s sent  lag %d", s.SentPerS, s.Lag)
	if s.Alerts > 0 {
		text += fmt.Sprintf("  alert p50 %s p99 %s", millis(s.AlertP50), millis(s.AlertP99))
	}
	if s.Note != "" {
		text += "  " + s.Note
	}
	return text
}

func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
