package network

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a connection over a network of its own whose far end answers nothing by itself. It lives in a bubble, where time
// passes only while everybody waits: times are exact.
func pipe(t *testing.T) (*side, *conn, net.Conn) {
	near, far := net.Pipe()
	s := newSide(nil)
	c := s.wrap(near)
	t.Cleanup(func() {
		s.set(Conditions{})
		c.Close()
		far.Close()
	})
	return s, c, far
}

// shaped says whether anything stands between the user and the real connection.
func shaped(h *half) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.shaped || h.pump
}

func (s *side) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// echo sends back what arrives.
func echo(far net.Conn) {
	_, _ = io.Copy(far, far)
	far.Close()
}

// exchange sends text to an echo and reads it back, and says how long that took.
func exchange(t *testing.T, c net.Conn, text string) time.Duration {
	t.Helper()
	started := time.Now()
	if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("wrote %d bytes, %v", n, err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("read %q, %v; want %q", got, err, text)
	}
	return time.Since(started)
}

func TestLatencyIsThatOfTheConditions(t *testing.T) {
	const second = time.Second
	tests := []struct {
		c    Conditions
		want time.Duration
	}{
		{Conditions{Latency: second}, 2 * second},
		{Conditions{Latency: second, Direction: Out}, second},
		{Conditions{Latency: second, Direction: In}, second},
		{Conditions{}, 0},
		{Conditions{KiBPerS: 1, Direction: Out}, 10240/1024*second - second/100}, // the first 10 ms are free
	}
	synctest.Test(t, func(t *testing.T) {
		s, c, far := pipe(t)
		go echo(far)
		for _, test := range tests {
			s.set(test.c)
			text := "abc"
			if test.c.KiBPerS > 0 {
				text = string(make([]byte, 10240))
			}
			if got := exchange(t, c, text); got < test.want-second/50 || got > test.want {
				t.Errorf("%+v: %v, want %v", test.c, got, test.want)
			}
		}
	})
}

// TestLatencyLimitsNoThroughput sends a thousand pieces one after the other: they arrive one latency after they were sent, not a
// thousand.
func TestLatencyLimitsNoThroughput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, far := pipe(t)
		s.set(Conditions{Latency: time.Second, Jitter: 100 * time.Millisecond})
		started := time.Now()
		for n := range 1000 {
			if _, err := c.Write([]byte{byte(n)}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(started); took != 0 {
			t.Errorf("writing took %v", took)
		}
		got := make([]byte, 1000)
		if _, err := io.ReadFull(far, got); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took < 900*time.Millisecond || took > 1100*time.Millisecond {
			t.Errorf("they arrived after %v", took)
		}
		for n, b := range got {
			if b != byte(n) {
				t.Fatalf("byte %d is %d", n, b)
			}
		}
	})
}

// TestBandwidthIsShared: two connections to one far side get together what one would.
func TestBandwidthIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, far1 := pipe(t)
		near, far2 := net.Pipe()
		second := s.wrap(near)
		defer func() { second.Close(); far2.Close() }()
		s.set(Conditions{KiBPerS: 100})
		started := time.Now()
		for _, c := range []net.Conn{first, second} {
			if _, err := c.Write(make([]byte, 500<<10)); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan struct{}, 2)
		for _, far := range []net.Conn{far1, far2} {
			go func() { _, _ = io.ReadFull(far, make([]byte, 500<<10)); done <- struct{}{} }()
		}
		<-done
		<-done
		if took := time.Since(started); took < 9900*time.Millisecond || took > 10*time.Second {
			t.Errorf("1000 KiB at 100 KiB/s took %v", took)
		}
	})
}

func TestDropHoldsEverythingUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, far := pipe(t)
		go echo(far)
		read := make(chan string)
		go func() { // blocked in the real connection when the drop begins
			b := make([]byte, 3)
			n, err := io.ReadFull(c, b)
			if err != nil {
				t.Error(err)
			}
			read <- string(b[:n])
		}()
		synctest.Wait()
		s.set(Conditions{Drop: true})
		started := time.Now()
		if _, err := c.Write([]byte("abc")); err != nil {
			t.Fatalf("a write must succeed, as the system's buffer takes it: %v", err)
		}
		time.AfterFunc(time.Minute, func() { s.set(Conditions{}) })
		if got := <-read; got != "abc" || time.Since(started) != time.Minute {
			t.Errorf("read %q after %v", got, time.Since(started))
		}
		exchange(t, c, "more")
	})
}

// TestGoodAgain: when it is over nothing stands between the user and the real connection, also where nothing passes any more.
func TestGoodAgain(t *testing.T) {
	for _, bad := range []Conditions{{Drop: true}, {Latency: time.Second}, {KiBPerS: 1, Direction: In}} {
		synctest.Test(t, func(t *testing.T) {
			s, c, far := pipe(t)
			go echo(far)
			s.set(bad)
			if !bad.Drop {
				exchange(t, c, "abc")
			}
			synctest.Wait()
			s.set(Conditions{})
			synctest.Wait()
			if shaped(&c.in) || shaped(&c.out) {
				t.Errorf("%+v: something still stands in between", bad)
			}
			exchange(t, c, "more")
		})
	}
}

// TestDropOfAnswers: what was under way already when the answers began to be dropped is held, too.
func TestDropOfAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, far := pipe(t)
		arrived := make(chan string, 1)
		go func() { b := make([]byte, 9); n, _ := c.Read(b); arrived <- string(b[:n]) }()
		synctest.Wait()
		s.set(Conditions{Drop: true, Direction: In})
		go func() { _, _ = far.Write([]byte("late")) }()
		synctest.Wait()
		select {
		case got := <-arrived:
			t.Fatalf("%q has passed", got)
		default:
		}
		go func() { _, _ = c.Write([]byte("out")) }()
		b := make([]byte, 3)
		if _, err := io.ReadFull(far, b); err != nil || string(b) != "out" {
			t.Errorf("the other direction is good, but %q arrived, %v", b, err)
		}
		s.set(Conditions{})
		if got := <-arrived; got != "late" {
			t.Errorf("read %q", got)
		}
	})
}

func TestWritesBlockWhenTheBufferIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, _ := pipe(t)
		s.set(Conditions{Drop: true})
		started := time.Now()
		if err := c.SetWriteDeadline(started.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Write(make([]byte, window+1))
		if n != window || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(started) != time.Hour {
			t.Errorf("%d bytes, %v after %v; want %d bytes and the deadline after an hour", n, err, time.Since(started), window)
		}
	})
}

// TestDeadlinesFire whatever the network is, when they are set before a read and while it waits.
func TestDeadlinesFire(t *testing.T) {
	for _, c := range []Conditions{{}, {Drop: true}, {Partition: true}, {Latency: time.Hour}, {KiBPerS: 1}} {
		synctest.Test(t, func(t *testing.T) {
			s, conn, _ := pipe(t)
			check := func(when string, want time.Duration, started time.Time) {
				_, err := conn.Read(make([]byte, 1))
				var timeout net.Error
				if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(started) != want {
					t.Errorf("%+v, deadline %s: %v after %v, want %v", c, when, err, time.Since(started), want)
				}
			}
			s.set(c)
			started := time.Now()
			if err := conn.SetDeadline(started.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			check("before", time.Second, started)
			if err := conn.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Second, func() { _ = conn.SetReadDeadline(time.Now()) }) // as pgx does when a context ends
			check("while it waits", 2*time.Second, started)
			_ = conn.SetReadDeadline(time.Time{})
			time.AfterFunc(time.Second, func() { s.set(Conditions{}) }) // it becomes good again
			time.AfterFunc(2*time.Second, func() { _ = conn.SetReadDeadline(time.Now()) })
			check("after it was good again", 4*time.Second, started)
			_ = conn.SetReadDeadline(time.Time{})
			time.AfterFunc(time.Second, func() { s.set(Conditions{Drop: true}) }) // a direct read is under way
			time.AfterFunc(2*time.Second, func() { _ = conn.SetReadDeadline(time.Now()) })
			check("after it has become bad", 6*time.Second, started)
		})
	}
}

// TestCloseWhileDropping: the far side hears of it when the network lets it, after all that was written before; and nobody
// waits meanwhile.
func TestCloseWhileDropping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, far := pipe(t)
		s.set(Conditions{Drop: true})
		_, _ = c.Write([]byte("last words"))
		reading := make(chan error)
		go func() { _, err := c.Read(make([]byte, 1)); reading <- err }()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-reading; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the read ends with %v", err)
		}
		for what, err := range map[string]error{"closing again": c.Close(), "a deadline": c.SetDeadline(time.Now())} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s gives %v", what, err)
			}
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a write gives %v", err)
		}
		started := time.Now()
		time.AfterFunc(time.Minute, func() { s.set(Conditions{}) })
		if got, err := io.ReadAll(far); string(got) != "last words" || err != nil || time.Since(started) != time.Minute {
			t.Errorf("the far side got %q, %v after %v", got, err, time.Since(started))
		}
		synctest.Wait()
		if s.connections() != 0 {
			t.Error("the connection is still remembered")
		}
	})
}

// TestCloseEndsAllGoroutines: a bubble whose goroutines do not end fails its test.
func TestCloseEndsAllGoroutines(t *testing.T) {
	for _, conditions := range []Conditions{{}, {Latency: time.Minute}, {KiBPerS: 1}, {Drop: true}, {Reset: true}, {Partition: true}} {
		synctest.Test(t, func(t *testing.T) {
			s, c, far := pipe(t)
			s.set(conditions)
			go func() { _, _ = io.Copy(io.Discard, c) }()
			go func() { _, _ = c.Write(make([]byte, 10000)) }() // nobody reads it
			synctest.Wait()
			c.Close()
			s.set(Conditions{})
			far.Close()
			time.Sleep(time.Minute) // what was on its way arrives at nobody
		})
	}
}

// TestClosedConnectionGivesUp: a far side that reads nothing does not keep what was closed for ever.
func TestClosedConnectionGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, _ := pipe(t)
		s.set(Conditions{Latency: time.Second})
		_, _ = c.Write([]byte("nobody reads this"))
		c.Close()
		time.Sleep(time.Second + linger + time.Second)
		if s.connections() != 0 {
			t.Error("the connection is still open")
		}
	})
}

// TestOtherEndClosed: the end is held like the bytes before it.
func TestOtherEndClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, far := pipe(t)
		s.set(Conditions{Latency: time.Second, Direction: In})
		started := time.Now()
		go func() { _, _ = far.Write([]byte("bye")); far.Close() }()
		got, err := io.ReadAll(c)
		if !bytes.Equal(got, []byte("bye")) || err != nil || time.Since(started) != time.Second {
			t.Errorf("%q, %v after %v", got, err, time.Since(started))
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("afterwards %d, %v", n, err)
		}
	})
}
