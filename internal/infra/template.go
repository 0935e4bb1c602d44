package infra

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"lkbench/internal/proc"
)

// makeTemplate initialises a cluster in dir/template with an empty database, and stores its superuser's password.
func makeTemplate(ctx context.Context, bin, dir string) error {
	owner, err := databaseOwner()
	if err != nil {
		return err
	}
	password := rand.Text()
	if err := os.WriteFile(filepath.Join(dir, templatePassword), []byte(password), 0o600); err != nil {
		return err
	}
	template := filepath.Join(dir, templateDir)
	if err := os.Mkdir(template, 0o700); err != nil {
		return err
	}
	if err := give(template, owner); err != nil {
		return err
	}
	readable := filepath.Join(dir, "initdb-"+templatePassword) // for the owner, while initdb runs
	if err := errors.Join(os.WriteFile(readable, []byte(password), 0o600), give(readable, owner)); err != nil {
		return err
	}
	defer os.Remove(readable)
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", template, "-U", superuser, "--pwfile", readable,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync")
	if err := runAs(initdb, owner); err != nil {
		return fmt.Errorf("initialise a cluster: %w", err)
	}
	create := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--single", "-j", "-D", template, "postgres")
	create.Stdin = strings.NewReader("CREATE DATABASE " + databaseName + ";\n")
	if err := runAs(create, owner); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}

// give makes a file the owner's.
func give(path string, owner *proc.Owner) error {
	if owner == nil {
		return nil
	}
	return os.Lchown(path, owner.UID, owner.GID)
}

// runAs runs a short program as another user and gives its output as the error.
func runAs(cmd *exec.Cmd, owner *proc.Owner) error {
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if owner != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(owner.UID), Gid: uint32(owner.GID)}
	}
	out, err := cmd.CombinedOutput()
	if err == nil && strings.Contains(string(out), "ERROR:") { // single-user mode goes on after an error
		err = errors.New("it reported an error")
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", cmd.Path, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// copyTree copies a directory of plain files and directories, all of them for owner alone. The directory may be there already,
// its files may not.
func copyTree(from, to string, owner *proc.Owner) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir():
			err = os.MkdirAll(target, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(path, target)
		default:
			err = fmt.Errorf("%s is neither a file nor a directory", path)
		}
		if err != nil {
			return err
		}
		return give(target, owner)
	})
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = target.ReadFrom(source)
	return errors.Join(err, target.Close())
}
