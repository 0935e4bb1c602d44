package docker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"lkbench/internal/infra"
)

func TestProgressOfAFetch(t *testing.T) {
	began := time.Now()
	f := newFetching("postgres:18", began)
	say := func(after time.Duration, id, status string, current, total int64) string {
		return f.after(jsonstream.Message{ID: id, Status: status, Progress: &jsonstream.Progress{Current: current, Total: total}}, began.Add(after))
	}
	for _, quiet := range []string{
		say(0, "18", "Pulling from library/postgres", 0, 0),
		say(0, "aaa", "Pulling fs layer", 0, 0), say(0, "bbb", "Pulling fs layer", 0, 0), say(0, "ccc", "Already exists", 0, 0),
		say(time.Second, "aaa", "Downloading", 2e6, 30e6),
	} {
		if quiet != "" {
			t.Errorf("within two seconds it says %q", quiet)
		}
	}
	if got, want := say(2*time.Second, "bbb", "Downloading", 5e6, 10e6), "fetching image postgres:18: 1 of 3 layers, 7 of 40 MB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := say(3*time.Second, "bbb", "Download complete", 0, 0); got != "" {
		t.Errorf("a second later it says %q", got)
	}
	if got, want := say(5*time.Second, "bbb", "Pull complete", 0, 0), "fetching image postgres:18: 2 of 3 layers, 12 of 40 MB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// registry is an image registry with one image of one layer. broken makes it refuse the layer.
func registry(t *testing.T, broken bool) (address string) {
	t.Helper()
	var layer, plain bytes.Buffer
	content := []byte(rand.Text()) // new for every run: the engine must not have it
	archive := tar.NewWriter(&plain)
	if err := archive.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	_, _ = archive.Write(content)
	archive.Close()
	zip := gzip.NewWriter(&layer)
	_, _ = zip.Write(plain.Bytes())
	zip.Close()
	digest := func(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{"Cmd":["/file"]},"rootfs":{"type":"layers","diff_ids":[%q]}}`, digest(plain.Bytes()))
	const kind = "application/vnd.docker.distribution.manifest.v2+json"
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,
		"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":%d,"digest":%q},
		"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":%d,"digest":%q}]}`,
		kind, len(config), digest(config), layer.Len(), digest(layer.Bytes()))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, last, _ := strings.Cut(r.URL.Path, "/tiny/")
		send := func(kind string, b []byte) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Docker-Content-Digest", digest(b))
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			if r.Method != http.MethodHead {
				_, _ = w.Write(b)
			}
		}
		switch {
		case r.URL.Path == "/v2/":
			send("application/json", []byte("{}"))
		case last == "manifests/1" || last == "manifests/"+digest(manifest):
			send(kind, manifest)
		case last == "blobs/"+digest(config):
			send("application/json", config)
		case last == "blobs/"+digest(layer.Bytes()) && !broken:
			send("application/octet-stream", layer.Bytes())
		default:
			http.Error(w, "no such thing", http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// An image that is missing is fetched, and told of; one that is there is not.
func TestImageIsFetchedOnce(t *testing.T) {
	c := needEngine(t)
	r, told := fetchingRun(t, c)
	name := registry(t, false) + "/lkbench/tiny:1"
	t.Cleanup(func() {
		if _, err := c.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	if has, err := HasImage(t.Context(), name); has || err != nil {
		t.Fatalf("before the fetch: %v, %v", has, err)
	}
	for range 2 {
		if err := ensureImage(t.Context(), r, name, "--kafka-image"); err != nil {
			t.Fatal(err)
		}
	}
	if has, err := HasImage(t.Context(), name); !has || err != nil {
		t.Errorf("after the fetch: %v, %v", has, err)
	}
	if notes := told(); len(notes) != 1 || notes[0] != "fetching image "+name {
		t.Errorf("it told %q", notes)
	}
}

func TestFetchThatBreaks(t *testing.T) {
	c := needEngine(t)
	r, _ := fetchingRun(t, c)
	name := registry(t, true) + "/lkbench/tiny:1"
	err := ensureImage(t.Context(), r, name, "--postgres-image")
	for _, part := range []string{name, "cannot be fetched", "docker pull " + name, "--postgres-image"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
	if has, err := HasImage(t.Context(), name); has || err != nil {
		t.Errorf("after the fetch that broke: %v, %v", has, err)
	}
}

func fetchingRun(t *testing.T, c *client.Client) (r *run, told func() []string) {
	t.Helper()
	engine, own, err := connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own.Close()
	var mu sync.Mutex
	var notes []string
	note := func(m string) {
		mu.Lock()
		defer mu.Unlock()
		notes = append(notes, m)
	}
	return &run{options: infra.Options{Note: note}, engine: engine, client: c}, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return notes
	}
}

// The note of a run names its label and its engine before anything is made.
func TestNote(t *testing.T) {
	ownCache(t)
	w := newWorkspace(t)
	r := &run{options: infra.Options{Workspace: w}, engine: Engine{Host: "unix:///x.sock"}}
	if err := r.entrust(); err != nil {
		t.Fatal(err)
	}
	var got note
	if err := json.Unmarshal([]byte(noteOf(t, w)), &got); err != nil || got.Host != "unix:///x.sock" || got.Label != WorkspaceLabel+"="+r.name() || len(r.name()) < 15 {
		t.Errorf("got %+v, %v", got, err)
	}
}
