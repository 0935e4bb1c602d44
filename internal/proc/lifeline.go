package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
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
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return nil, nil, fmt.Errorf("read the input line from standard input: %w", err)
	}
	return watch(ctx, reader), line[:len(line)-1], nil
}

// watch gives a context that ends when the reader does, and exits the process after Grace.
func watch(ctx context.Context, reader io.Reader) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, reader)
		cancel(ErrParentGone)
		time.Sleep(Grace)
		fmt.Fprintf(os.Stderr, "still busy %v after the parent process has gone: exit\n", Grace)
		os.Exit(1)
	}()
	return ctx
}
