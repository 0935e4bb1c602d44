package infra

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// repository serves an archive whose programs do as little as the preparation needs. fetched is called before each answer.
func repository(t *testing.T, fetched func(w http.ResponseWriter, jar []byte) bool) {
	t.Helper()
	programs, err := os.ReadFile("testdata/postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	archive := zip.NewWriter(&jar)
	file, err := archive.Create("postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(programs); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			http.NotFound(w, r)
			return
		}
		if fetched(w, jar.Bytes()) {
			_, _ = w.Write(jar.Bytes())
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv(mirrorVariable, server.URL)
}

// halfMade lists what an interrupted preparation may have left.
func halfMade(t *testing.T, cache string) []string {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestManyProcessesFillTheCacheOnce(t *testing.T) {
	cache := emptyCache(t)
	var downloads atomic.Int64
	repository(t, func(http.ResponseWriter, []byte) bool { downloads.Add(1); return true })
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if out, err := exec.Command(os.Args[0], fillVerb).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	if n := downloads.Load(); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
	if got := halfMade(t, cache); len(got) != 1 || got[0] != "postgres-"+string(postgresVersion) {
		t.Errorf("the cache holds %v", got)
	}
	b, err := postgresBinaries(t.Context(), func(message string) { t.Errorf("unexpected: %s", message) })
	if err != nil {
		t.Fatal(err)
	}
	if b.version != "18.3" {
		t.Errorf("version %q, want 18.3", b.version)
	}
}

func TestNoNetworkAndNothingCached(t *testing.T) {
	cache := emptyCache(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	t.Setenv(mirrorVariable, "http://"+l.Addr().String())
	_, err = postgresBinaries(t.Context(), nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"neither cached nor can they be fetched", l.Addr().String(), "access to the network", "LKBENCH_POSTGRES_BIN"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
	if got := halfMade(t, cache); len(got) != 0 {
		t.Errorf("left in the cache: %v", got)
	}
}

func TestInterruptedDownload(t *testing.T) {
	cache := emptyCache(t)
	var attempts atomic.Int64
	begun := make(chan struct{})
	repository(t, func(w http.ResponseWriter, jar []byte) bool {
		switch attempts.Add(1) {
		case 1: // the connection breaks
			w.Header().Set("Content-Length", fmt.Sprint(len(jar)))
			_, _ = w.Write(jar[:len(jar)/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case 2: // the process is killed
			_, _ = w.Write(jar[:len(jar)/2])
			w.(http.Flusher).Flush()
			close(begun)
			return true
		}
		return true
	})
	if _, err := postgresBinaries(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("a broken connection: got %v", err)
	}
	if got := halfMade(t, cache); len(got) != 0 {
		t.Errorf("left in the cache: %v", got)
	}
	filler := exec.Command(os.Args[0], fillVerb)
	if err := filler.Start(); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := filler.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = filler.Wait()
	if _, err := postgresBinaries(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := halfMade(t, cache); len(got) != 1 || attempts.Load() != 3 {
		t.Errorf("after %d attempts the cache holds %v; want one directory after three", attempts.Load(), got)
	}
}

func TestInstalledPostgres(t *testing.T) {
	programs := func(t *testing.T, initdb, postgres string) string {
		dir := filepath.Join(emptyCache(t), "bin") // as root, other users must reach it
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, output := range map[string]string{"initdb": initdb, "postgres": postgres} {
			if output == "" {
				continue
			}
			script := "#!/bin/sh\necho '" + output + "'\n"
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	tests := []struct{ name, initdb, postgres, want string }{
		{"nothing there", "", "", "/initdb: no such file"},
		{"too old", "initdb (PostgreSQL) 14.9", "postgres (PostgreSQL) 14.9 (Debian)", "PostgreSQL 14.9 is too old: expected 15 or newer"},
		{"server missing", "initdb (PostgreSQL) 17.1", "", "/postgres: no such file"},
		{"initdb missing", "", "postgres (PostgreSQL) 17.1", "/initdb: no such file"},
		{"another program", "initdb (PostgreSQL) 17.1", "hello", "expected the version of PostgreSQL, got \"hello"},
		{"versions differ", "initdb (PostgreSQL) 17.1", "postgres (PostgreSQL) 16.1", "initdb is of version 17.1 and postgres of 16.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bin := programs(t, test.initdb, test.postgres)
			cache := emptyCache(t)
			t.Setenv(installedBinaries, bin)
			_, err := postgresBinaries(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), installedBinaries+"="+bin) {
				t.Errorf("got %v, want an error with %q that names the variable", err, test.want)
			}
			if got := halfMade(t, cache); len(got) != 0 {
				t.Errorf("left in the cache: %v", got)
			}
		})
	}
}

func TestInstalledPostgresRuns(t *testing.T) {
	needPostgres(t)
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		t.Fatal(err)
	}
	var installed string
	if len(found) > 0 {
		installed = filepath.Dir(found[len(found)-1])
	} else { // those of the cache, named as if they were installed
		cached, err := postgresBinaries(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		installed = cached.bin
	}
	emptyCache(t)
	t.Setenv(installedBinaries, installed)
	i, _ := startInstance(t)
	if got := query(t, i.Postgres, "SHOW server_version"); !strings.HasPrefix(got, strings.TrimPrefix(i.Database.Version, "PostgreSQL ")) {
		t.Errorf("the server is %s, recorded is %s", got, i.Database.Version)
	}
	if i.PostgresSettings["wal_level"] != "logical" {
		t.Errorf("settings: %v", i.PostgresSettings)
	}
}
