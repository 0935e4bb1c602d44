package proc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// ErrParentGone is the cause of a context that Lifeline ended.
var ErrParentGone = errors.New("the parent process closed the life line")

// Grace is the time a child has for its work to end after its life line has closed; then it exits, finished or not.
const Grace = time.Second

// Lifeline is called once at the start of a child, with its standard input. It reads the line that is the child's input,
// then watches the rest: when it closes, the context ends, and after Grace the process exits whatever it is doing.
func Lifeline(ctx context.Context, stdin io.Reader) (context.Context, []byte, error) {
	reader := bufio.NewReader(stdin)
	input, err := readInput(reader)
	if err != nil {
		return nil, nil, err
	}
	return watch(ctx, func() { _, _ = io.Copy(io.Discard, reader) }), input, nil
}

// LifelineServing is Lifeline for a child that can be told something: begin is given the input and gives what answers the
// commands of Process.Tell, one after the other. While that runs, the end of the parent is not noticed. line is standard input,
// which goes both ways.
func LifelineServing(ctx context.Context, line io.ReadWriter, begin func(input []byte) (answer func(command []byte) []byte, err error)) (context.Context, error) {
	reader := bufio.NewReader(line)
	input, err := readInput(reader)
	if err != nil {
		return nil, err
	}
	answer, err := begin(input)
	if err != nil {
		return nil, err
	}
	return watch(ctx, func() {
		for {
			message, err := reader.ReadBytes('\n')
			if err != nil {
				return
			}
			number, command, _ := bytes.Cut(message[:len(message)-1], space)
			// A parent that has gone does not read it; the next reading tells.
			_, _ = line.Write(slices.Concat(number, space, answer(command), newline))
		}
	}), nil
}

func readInput(reader *bufio.Reader) ([]byte, error) {
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("read the input line from standard input: %w", err)
	}
	return line[:len(line)-1], nil
}

// watch gives a context that ends when read returns, and exits the process after Grace.
func watch(ctx context.Context, read func()) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		read()
		cancel(ErrParentGone)
		time.Sleep(Grace)
		fmt.Fprintf(os.Stderr, "still busy %v after the parent process has gone: exit\n", Grace)
		os.Exit(1)
	}()
	return ctx
}
