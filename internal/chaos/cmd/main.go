// Command chaos prints the table of `make chaos` or, with -soak, those of `make soak`, from saved runs.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lkbench/internal/chaos"
	"lkbench/results"
)

func main() {
	soak := flag.Bool("soak", false, "compare the halves of every run in DIR")
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: chaos [-soak] DIR") }
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := print(flag.Arg(0), *soak); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func print(dir string, soak bool) error {
	var folders []string
	for _, pattern := range []string{"*", "*/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern, results.RecordFile))
		if err != nil {
			return err
		}
		for _, f := range found {
			if folder := filepath.Dir(f); !strings.HasSuffix(folder, ".partial") {
				folders = append(folders, folder)
			}
		}
	}
	var records []*results.Record
	for _, folder := range folders {
		r, err := results.ReadRecord(folder)
		if err != nil {
			return err
		}
		records = append(records, r)
		if soak {
			if err := printSoak(folder, r); err != nil {
				return err
			}
		}
	}
	if soak {
		return nil
	}
	good, err := filepath.Glob(filepath.Join(dir, "records", "*.json"))
	if err != nil {
		return err
	}
	for _, f := range good {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		r, err := results.DecodeRecord(text)
		if err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return fmt.Errorf("there is no run in %s", dir)
	}
	return chaos.Write(os.Stdout, records)
}

func printSoak(folder string, r *results.Record) (err error) {
	file, err := os.Open(filepath.Join(folder, results.TimelineFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	seconds, err := results.ReadTimeline(file)
	if err != nil {
		return err
	}
	return chaos.WriteSoak(os.Stdout, r, seconds)
}
