package proc

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
)

var space, newline = []byte(" "), []byte("\n")

// talk is what goes over a life line beside its end: the input, then commands and answers, each a line with the command's
// number before it. An answer that nobody waits for any more is dropped.
type talk struct {
	line  *os.File
	lines chan []byte // to be written

	mu      sync.Mutex
	last    int
	waiting map[int]chan<- []byte // for the answer to a command
}

func newTalk(line *os.File) *talk {
	return &talk{line: line, lines: make(chan []byte), waiting: map[int]chan<- []byte{}}
}

// write writes in the background, because a child that does not read must not hold its parent. An error means that the child
// has gone.
func (t *talk) write(input []byte, done <-chan struct{}) {
	if input != nil {
		_, _ = t.line.Write(slices.Concat(input, newline))
	}
	for {
		select {
		case line := <-t.lines:
			_, _ = t.line.Write(line)
		case <-done:
			return
		}
	}
}

// read hands the answers out until the child or the life line ends.
func (t *talk) read() {
	for answers := bufio.NewReader(t.line); ; {
		line, err := answers.ReadBytes('\n')
		if err != nil {
			return
		}
		number, answer, _ := bytes.Cut(line[:len(line)-1], space)
		n, err := strconv.Atoi(string(number))
		if err != nil {
			continue // the child writes something else to its standard input
		}
		t.mu.Lock()
		if waiting := t.waiting[n]; waiting != nil {
			waiting <- answer // has room
			delete(t.waiting, n)
		}
		t.mu.Unlock()
	}
}

func (t *talk) expect() (number int, answer <-chan []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	waiting := make(chan []byte, 1)
	t.waiting[t.last] = waiting
	return t.last, waiting
}

func (t *talk) forget(number int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.waiting, number)
}

// Tell sends a child of ours that calls LifelineServing a command, one line without its end, and waits for the answer. One that
// is paused or does not serve answers nothing, so Tell waits until ctx ends; a command that was sent by then is carried out when
// the child goes on. Commands are carried out in the order in which they are told.
func (p *Process) Tell(ctx context.Context, command []byte) (answer []byte, err error) {
	if bytes.Contains(command, newline) {
		return nil, fmt.Errorf("tell %s: a command is one line, got %q", p.name, command)
	}
	number, answers := p.talk.expect()
	defer p.talk.forget(number)
	message := fmt.Appendf(nil, "%d %s\n", number, command)
	for lines := p.talk.lines; ; lines = nil {
		select {
		case lines <- message:
		case answer = <-answers:
			return answer, nil
		case <-p.done:
			return nil, fmt.Errorf("tell %s: it has ended", p.name)
		case <-ctx.Done():
			return nil, fmt.Errorf("tell %s: no answer: %w", p.name, context.Cause(ctx))
		}
	}
}
