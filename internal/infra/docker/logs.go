package docker

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// follow appends what the container says from now on to its log in the workspace, until it ends. since is when its former
// life ended: the engine keeps what it said then.
func (u *unit) follow(ctx context.Context, since string) {
	file, err := os.OpenFile(u.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return // the directory of the run is gone: nobody can read it any more
	}
	defer file.Close()
	if strings.HasPrefix(since, "0001-") { // its first life
		since = ""
	}
	stream, err := u.run.client.ContainerLogs(ctx, u.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true, Since: since})
	if err == nil {
		defer stream.Close()
		_, err = stdcopy.StdCopy(file, file, stream)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(file, "(lkbench: the engine gives no more of this log: %v)\n", err)
	}
}

// lastLines gives the end of a log, for messages, without the places in the source that Java adds to an error: they would
// leave no room for what it says.
func lastLines(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(none: %v)", err)
	}
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(string(text))) {
		if !strings.HasPrefix(line, "\tat ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-8):], "")
}
