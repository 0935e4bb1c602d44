package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// beServer answers every command with how many there were and its beginning.
func beServer() {
	commands := 0
	ctx, err := LifelineServing(context.Background(), os.Stdin, func(input []byte) (func([]byte) []byte, error) {
		fmt.Printf("%s\n", input)
		return func(command []byte) []byte {
			commands++
			return fmt.Appendf(nil, "%d %s", commands, command[:min(len(command), 20)])
		}, nil
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	<-ctx.Done()
	os.Exit(0)
}

func tell(t *testing.T, p *Process, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := p.Tell(ctx, []byte(command))
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// unheard tells something that must not be answered.
func unheard(t *testing.T, p *Process, command []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if answer, err := p.Tell(ctx, command); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), p.Name()) {
		t.Errorf("got %q, %v; want no answer until the deadline", answer, err)
	}
}

func TestTellAndAnswer(t *testing.T) {
	p := child(t, serveVerb)
	if line := report(t, p); line != "a line" {
		t.Errorf("the child read %q as its input", line)
	}
	for n, command := range []string{"first", "", "third and more"} {
		if got, want := tell(t, p, command), fmt.Sprint(n+1, " ", command); got != want {
			t.Errorf("%q is answered with %q, want %q", command, got, want)
		}
	}
	if _, err := p.Tell(t.Context(), []byte("two\nlines")); err == nil || !strings.Contains(err.Error(), "one line") {
		t.Errorf("two lines: %v", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.Err() != nil {
		t.Errorf("the child ended with %v", p.Err())
	}
	if _, err := p.Tell(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "it has ended") {
		t.Errorf("telling one that has ended: %v", err)
	}
}

// TestTellFromMany: every teller gets its own answer.
func TestTellFromMany(t *testing.T) {
	p := child(t, serveVerb)
	var tellers sync.WaitGroup
	for n := range 100 {
		tellers.Go(func() {
			want := fmt.Sprint("command ", n)
			answer, err := p.Tell(t.Context(), []byte(want))
			if _, got, _ := strings.Cut(string(answer), " "); err != nil || got != want {
				t.Errorf("%q is answered with %q, %v", want, answer, err)
			}
		})
	}
	tellers.Wait()
	if got := tell(t, p, "end"); got != "101 end" {
		t.Errorf("got %q, want every command carried out once", got)
	}
}

// TestTellOneThatIsPaused: who waits for it gives up with its context, and its late answers are taken for no other's.
func TestTellOneThatIsPaused(t *testing.T) {
	paused, other := child(t, serveVerb), child(t, serveVerb)
	if err := paused.SignalTree(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	unheard(t, paused, []byte("early"))
	unheard(t, paused, bytes.Repeat([]byte("a"), 4<<20)) // more than the system holds: it is under way when the teller gives up
	unheard(t, paused, []byte("never sent"))
	if got := tell(t, other, "another"); got != "1 another" {
		t.Errorf("the other child answers %q", got)
	}
	if err := paused.SignalTree(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// The first was sent and the second was under way, if the machine was fast enough; the third never was.
	if got := tell(t, paused, "late"); got != "1 late" && got != "2 late" && got != "3 late" {
		t.Errorf("got %q, want the answer to this command, the third at most", got)
	}
}

func TestTellOneThatIsKilled(t *testing.T) {
	p := child(t, serveVerb)
	report(t, p)
	if err := p.SignalTree(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	told := make(chan error)
	go func() { _, err := p.Tell(t.Context(), []byte("x")); told <- err }()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err == nil || !strings.Contains(err.Error(), "it has ended") {
		t.Errorf("got %v", err)
	}
}

func TestTellOneThatDoesNotServe(t *testing.T) {
	for _, p := range []*Process{child(t, echoVerb), mustGuard(t)} {
		unheard(t, p, []byte("x"))
		if err := p.Stop(t.Context()); err != nil {
			t.Errorf("it is stopped as before: %v", err)
		}
	}
}
