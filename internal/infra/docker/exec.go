package docker

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// output runs a program in the container and gives what it writes. A program that fails but has written something gave a
// partial answer: the caller must see whether it is enough.
func (u *unit) output(ctx context.Context, command ...string) (string, error) {
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("run %s in the container of %s: %w", command[0], u.what, err)
	}
	made, err := u.run.client.ExecCreate(ctx, u.id, client.ExecCreateOptions{AttachStdout: true, AttachStderr: true, Cmd: command})
	if err != nil {
		return fail(err)
	}
	attached, err := u.run.client.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return fail(err)
	}
	defer attached.Close()
	// Reading from the engine does not end with ctx by itself.
	defer context.AfterFunc(ctx, attached.Close)()
	var out, problems bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &problems, attached.Reader); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fail(err)
	}
	if out.Len() > 0 {
		return out.String(), nil
	}
	ended, err := u.run.client.ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
	if err != nil {
		return fail(err)
	}
	return fail(fmt.Errorf("exit code %d and no output: %s", ended.ExitCode, strings.TrimSpace(problems.String())))
}

// diskUse is infra.Server.Disk. It asks in the container, whose volume this process may not be allowed to read; one that does
// not run or is paused cannot be asked.
func (u *unit) diskUse(ctx context.Context, dir string) (int64, error) {
	text, err := u.output(ctx, "du", "-sk", dir) // a file that vanishes meanwhile fails it, after the sum is known
	if err != nil {
		return 0, err
	}
	return parseDiskUse(text, dir)
}

func parseDiskUse(text, dir string) (int64, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	number, of, _ := strings.Cut(lines[len(lines)-1], "\t")
	kib, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || of != dir {
		return 0, fmt.Errorf("disk use of %s: du says %q", dir, text)
	}
	return kib << 10, nil
}

// filesystem gives the type of the file system that holds a directory of the container.
func (u *unit) filesystem(ctx context.Context, dir string) (string, error) {
	mounts, err := u.output(ctx, "cat", "/proc/mounts")
	if err != nil {
		return "", err
	}
	return parseMounts(mounts, dir)
}

// parseMounts finds the innermost mount that holds a directory.
func parseMounts(mounts, dir string) (string, error) {
	longest, kind := -1, ""
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line) // device, directory, type, options
		if len(fields) < 3 {
			continue
		}
		at := strings.TrimSuffix(fields[1], "/")
		if (dir == at || strings.HasPrefix(dir, at+"/")) && len(at) >= longest {
			longest, kind = len(at), fields[2]
		}
	}
	if kind == "" {
		return "", fmt.Errorf("the file system of %s: /proc/mounts has none", dir)
	}
	return kind, nil
}
