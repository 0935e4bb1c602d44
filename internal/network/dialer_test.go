package network

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// listen serves every connection and gives the address.
func listen(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().String()
}

func dial(t testing.TB, n *Network, address string) net.Conn {
	t.Helper()
	conn, err := n.Dialer(Kafka)(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestReset: both sides see a reset, also those that wait; new connections work.
func TestReset(t *testing.T) {
	for _, before := range []Conditions{{}, {Drop: true}, {Latency: time.Millisecond}} {
		n := New()
		far := make(chan error, 1)
		address := listen(t, func(conn net.Conn) { _, err := io.Copy(io.Discard, conn); far <- err })
		conn := dial(t, n, address)
		n.Set(Kafka, before)
		read := make(chan error, 1)
		go func() { _, err := conn.Read(make([]byte, 1)); read <- err }()
		n.Set(Kafka, Conditions{Reset: true})
		_, written := conn.Write([]byte("x"))
		for what, err := range map[string]error{"the waiting read": <-read, "a write": written, "the far side": <-far} {
			if !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, new(*os.SyscallError)) {
				t.Errorf("after %+v, %s: %v, want ECONNRESET as the system tells it", before, what, err)
			}
		}
		if err := conn.Close(); err != nil {
			t.Errorf("closing it: %v", err)
		}
		go dial(t, n, address).Close()
		if err := <-far; err != nil {
			t.Errorf("a new connection: %v", err)
		}
	}
}

func TestDialWaitsWhileNothingPasses(t *testing.T) {
	for _, c := range []Conditions{{Partition: true}, {Drop: true}, {Drop: true, Direction: In}} {
		n := New()
		accepted := make(chan struct{}, 1)
		address := listen(t, func(conn net.Conn) { accepted <- struct{}{}; conn.Close() })
		n.Set(Kafka, c)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		conn, err := n.Dialer(Kafka)(ctx, "tcp", address)
		var timeout net.Error
		if conn != nil || !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v: %v, %v; want a timeout", c, conn, err)
		}
		if conn, err := n.Dialer(Postgres)(t.Context(), "tcp", address); err != nil {
			t.Errorf("%+v: the other side: %v", c, err)
		} else {
			conn.Close()
			<-accepted
		}
		dialed := make(chan error)
		go func() { _, err := n.Dialer(Kafka)(t.Context(), "tcp", address); dialed <- err }()
		select {
		case <-accepted:
			t.Errorf("%+v: a connection has passed", c)
		case <-time.After(20 * time.Millisecond): // a bad network never lets it; waiting longer could only find more
		}
		n.Set(Kafka, Conditions{})
		if err := <-dialed; err != nil {
			t.Errorf("%+v: after its end: %v", c, err)
		}
		<-accepted
	}
}

// TestConnectionUnderBadConditions: what is opened meanwhile suffers them from its first byte.
func TestConnectionUnderBadConditions(t *testing.T) {
	n := New()
	address := listen(t, echo)
	n.Set(Kafka, Conditions{Latency: 10 * time.Millisecond})
	started := time.Now()
	conn := dial(t, n, address)
	exchange(t, conn, "abc")
	if took := time.Since(started); took < 40*time.Millisecond {
		t.Errorf("handshake and exchange took %v, want two round trips of 20 ms at least", took)
	}
}

func TestNilNetworkIsGood(t *testing.T) {
	conn := dial(t, nil, listen(t, echo))
	exchange(t, conn, "abc")
}

// TestOrderOverTCP changes conditions at random while bytes go both ways at full speed: what comes out is what went in.
func TestOrderOverTCP(t *testing.T) {
	for seed := range uint64(5) {
		order(t, seed, 2<<20)
	}
}

// FuzzOrder is the same with any seed.
func FuzzOrder(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { order(t, seed, 256<<10) })
}

func order(t *testing.T, seed uint64, size int) {
	random := rand.New(rand.NewPCG(seed, 0))
	n := New()
	conn := dial(t, n, listen(t, echo))
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	pieces := rand.New(rand.NewPCG(seed, 1))
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+pieces.IntN(40_000))
			if _, err := conn.Write(rest[:n]); err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
	}()
	done := make(chan struct{})
	changing := make(chan struct{})
	go func() {
		defer close(changing)
		for {
			c := Conditions{Direction: []string{Both, Out, In}[random.IntN(3)]}
			switch random.IntN(5) {
			case 0:
				c.Latency = time.Duration(1+random.IntN(3)) * time.Millisecond
				c.Jitter = c.Latency
			case 1:
				c.KiBPerS = 10_000
			case 2:
				c.Drop = true
			case 3:
				c.Partition = true
			}
			n.Set(Kafka, c)
			select {
			case <-done:
				n.Set(Kafka, Conditions{})
				return
			case <-time.After(time.Duration(random.IntN(4000)) * time.Microsecond):
			}
		}
	}()
	got := make([]byte, size)
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	read, err := io.ReadFull(conn, got)
	close(done)
	<-changing
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("seed %d: %d of %d bytes, %v, equal %v", seed, read, size, err, bytes.Equal(got, sent))
	}
}

// BenchmarkExchange sends 100 bytes to an echo and back: over a bare connection, over a good network, over one that was bad.
func BenchmarkExchange(b *testing.B) {
	address := listen(b, echo)
	for _, name := range []string{"bare", "good", "good again", "slow"} {
		b.Run(name, func(b *testing.B) {
			n := New()
			if name == "bare" {
				n = nil
			}
			conn := dial(b, n, address)
			text, got := make([]byte, 100), make([]byte, 100)
			once := func() {
				if _, err := conn.Write(text); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(conn, got); err != nil {
					b.Fatal(err)
				}
			}
			switch name {
			case "good again":
				n.Set(Kafka, Conditions{Latency: time.Millisecond})
				once()
				n.Set(Kafka, Conditions{})
				once()
			case "slow":
				n.Set(Kafka, Conditions{KiBPerS: 10 << 20})
			}
			for b.Loop() {
				once()
			}
		})
	}
}
