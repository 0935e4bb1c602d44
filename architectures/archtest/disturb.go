package archtest

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"golang.org/x/sync/errgroup"

	"lkbench/architectures"
	"lkbench/internal/infra"
	"lkbench/internal/proc"
)

// sleep waits, or says that the trial is over.
func (tr *trial) sleep(d time.Duration) error {
	select {
	case <-tr.ctx.Done():
		return tr.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// kills ends every component once or twice with SIGKILL, at random moments; one on demand while it runs.
func (tr *trial) kills() error {
	type kill struct {
		at   time.Duration
		name string
	}
	var plan []kill
	var hunts errgroup.Group
	for _, c := range tr.arch.Components() {
		if c.OnDemand {
			if tr.reprocess {
				waits := make([]time.Duration, 1+tr.random.IntN(3))
				for i := range waits {
					waits[i] = time.Duration(tr.random.Int64N(int64(workFor)))
				}
				hunts.Go(func() error { return tr.hunt(c.Name, waits) })
			}
			continue
		}
		for range 1 + tr.random.IntN(2) {
			plan = append(plan, kill{time.Duration(tr.random.Int64N(int64(tr.length))), c.Name})
		}
	}
	slices.SortFunc(plan, func(a, b kill) int { return int(a.at - b.at) })
	began := time.Now()
	for _, k := range plan {
		if err := tr.sleep(time.Until(began.Add(k.at))); err != nil {
			return err
		}
		p := tr.keeper.current(k.name)
		if err := p.Kill(); err != nil {
			return err
		}
		<-p.Done()
		if p.Err() == nil {
			return fmt.Errorf("%s was to be killed and has ended well", k.name)
		}
	}
	return hunts.Wait()
}

// doubles runs two copies of a component at once: first one that has stood still while another took its place, then
// one that is taken over from while it works. A component that reads the topic must notice and end by itself.
func (tr *trial) doubles(c architectures.Component) error {
	if err := tr.sleep(tr.length / 5); err != nil {
		return err
	}
	old := tr.keeper.current(c.Name)
	if err := old.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	next, err := tr.keeper.start(c.Name)
	if err != nil {
		return err
	}
	tr.keeper.keep(c, next)
	if err := tr.sleep(tr.length / 4); err != nil {
		return err
	}
	if err := old.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	if err := tr.replaced(c, old); err != nil {
		return err
	}
	last, err := tr.keeper.start(c.Name)
	if err != nil {
		return err
	}
	tr.keeper.keep(c, last)
	return tr.replaced(c, next)
}

// replaced waits until a process that was taken over from has ended by itself and said why.
func (tr *trial) replaced(c architectures.Component, p *proc.Process) error {
	if !c.Consumes {
		return nil // two copies may both work on; what they do must be right
	}
	select {
	case <-p.Done():
	case <-time.After(stopWithin):
		return fmt.Errorf("a process of %s that was replaced still runs after %v", c.Name, stopWithin)
	}
	log, err := os.ReadFile(tr.keeper.log(c.Name))
	if err != nil {
		return err
	}
	if p.Err() == nil || !strings.Contains(string(log), "replaced") {
		return fmt.Errorf("a process of %s that was replaced ended without saying so: %v", c.Name, p.Err())
	}
	return nil
}

// down is how long a server stays down.
const down = 200 * time.Millisecond

func (tr *trial) crashDatabase() error {
	database := tr.world.instance.Database
	if err := tr.sleep(tr.length / 3); err != nil {
		return err
	}
	if err := database.Kill(tr.ctx); err != nil {
		return err
	}
	if err := tr.sleep(down); err != nil {
		return err
	}
	return database.Restart(tr.ctx)
}

func (tr *trial) restartDatabase() error {
	database := tr.world.instance.Database
	if err := tr.sleep(tr.length / 3); err != nil {
		return err
	}
	if err := database.Stop(tr.ctx); err != nil {
		return err
	}
	if err := tr.sleep(down); err != nil {
		return err
	}
	return database.Restart(tr.ctx)
}

// crashBroker kills the broker that leads the topic's first partition. The load must go on while it is down.
func (tr *trial) crashBroker() error {
	if err := tr.sleep(tr.length / 3); err != nil {
		return err
	}
	broker, err := tr.leader()
	if err != nil {
		return err
	}
	if err := broker.Kill(tr.ctx); err != nil {
		return err
	}
	if err := tr.sentMore(); err != nil {
		return err
	}
	if err := tr.sleep(down); err != nil {
		return err
	}
	return broker.Restart(tr.ctx)
}

// leader gives the broker that leads the topic's first partition.
func (tr *trial) leader() (*infra.Server, error) {
	brokers := tr.world.instance.Brokers
	if len(brokers) == 1 {
		return brokers[0], nil
	}
	client, err := tr.env.Kafka.NewClient()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	metadata, err := kadm.NewClient(client).Metadata(tr.ctx, tr.env.Topic)
	if err != nil {
		return nil, fmt.Errorf("ask who leads %s: %w", tr.env.Topic, err)
	}
	leader := metadata.Topics[tr.env.Topic].Partitions[0].Leader
	for _, known := range metadata.Brokers {
		for _, b := range brokers {
			if known.NodeID == leader && b.Address == net.JoinHostPort(known.Host, fmt.Sprint(known.Port)) {
				return b, nil
			}
		}
	}
	return nil, fmt.Errorf("the first partition of %s is led by node %d, which is none of %v", tr.env.Topic, leader, metadata.Brokers)
}

// sentMore waits until the generator has sent events since now.
func (tr *trial) sentMore() error {
	before := tr.load.Progress().Sent
	for deadline := time.Now().Add(stopWithin); time.Now().Before(deadline); {
		if now := tr.load.Progress().Sent; now > before || now == int64(tr.schedule.Len()) {
			return nil
		}
		if err := tr.sleep(time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("while the broker was down no event was sent within %v", stopWithin)
}
