package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/internal/testrabbit"
)

const childEnv = "WINCHESTER_USAGE_CHILD" // the broker's URL, the database's and the name of the run of a child process

// child is the service in a process of its own, until its standard input ends.
func child() error {
	ctx := context.Background()
	part := strings.Fields(os.Getenv(childEnv))
	s, err := openService(ctx, setting{rabbitmq: part[0], database: part[1], run: part[2], log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if err := s.consumer.Start(ctx); err != nil {
		return err
	}
	fmt.Println("up")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.close()
}

// process is a running child.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
}

func startChild(t *testing.T, s setting) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{s.rabbitmq, s.database, s.run}, " "))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t, cmd, stdin}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return p
}

// kill is kill -9.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		p.t.Fatalf("the child was not killed: %v", err)
	}
}

// stop lets it come to its end.
func (p *process) stop() {
	p.t.Helper()
	p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("the child: %v", err)
	}
}

// TestUnderFire plays days while the service is killed with SIGKILL, its connections
// are cut and its consumer's connection is closed by the broker, again and again in
// mid-stream: still, every instance-day gets its verdicts, and none twice.
func TestUnderFire(t *testing.T) {
	t.Parallel()
	gate := testrabbit.NewGate(t)
	s := setting{rabbitmq: testrabbit.URL(t), run: fmt.Sprintf("fire-%d", os.Getpid()), log: slog.New(slog.DiscardHandler)}
	service := s // whose way to the broker can be cut
	service.rabbitmq, service.database = gate.URL(), "sqlite:///"+filepath.Join(t.TempDir(), "usage.db")
	days, err := generate(plan{seed: 2, run: s.run, days: 3, instances: 60})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range days.expected() {
		total += n
	}

	c, err := openCloud(s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.tidy(); err != nil {
			t.Error(err)
		}
	}()
	l, bills, err := openLedger(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bills.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	p := startChild(t, service)
	testrabbit.WaitFor(t, "the queue", func() bool { return consumes(c, s.queue()) })

	published := make(chan error, 1)
	go func() { published <- c.trickle(t.Context(), days.deliveries) }()
	kills, cuts, closed := 0, 0, 0
	const blows = 12
	for n := range blows {
		l.waitFor(t, days, total*n/(blows+1)+1) // just published, and perhaps not completed yet
		switch n % 3 {
		case 0:
			p.kill()
			kills++
			p = startChild(t, service)
		case 1:
			gate.Close(false)
			cuts++
		default:
			closed += testrabbit.CloseConnections(t, s.connection()+" consumer")
		}
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	l.waitFor(t, days, total)
	p.stop()
	if n, err := c.waiting(s.queue()); err != nil || n != 0 {
		t.Errorf("%d notifications are left, %v", n, err)
	}
	if err := c.end(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-l.ended
	b := l.check(days)
	t.Logf("%d messages, service killed %d times, connections cut %d times, closed by the broker %d times: %d verdicts and warnings, %d delivered again; %d of %d instance-days are right",
		len(days.deliveries), kills, cuts, closed, l.count(), l.again, b.right, len(days.verdicts))
	if len(b.faults) > 0 || b.right != len(days.verdicts) {
		t.Error(strings.Join(b.faults, "\n"))
	}
	if closed == 0 || l.again == 0 {
		t.Errorf("the broker has closed %d connections, %d verdicts were published again: there was no fire", closed, l.again)
	}
}

// waitFor waits until so many verdicts and warnings are there.
func (l *ledger) waitFor(t *testing.T, days *traffic, n int) {
	t.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	for l.count() < n {
		select {
		case <-l.news:
		case <-patience.C:
			t.Fatalf("waited a minute for %d verdicts and warnings, %d are there:\n%s", n, l.count(), strings.Join(l.check(days).faults, "\n"))
		}
	}
}

// trickle publishes so slowly that there is a stream to disturb.
func (c *cloud) trickle(ctx context.Context, deliveries []delivery) error {
	for len(deliveries) > 0 {
		n := min(10, len(deliveries))
		if err := c.publish(ctx, deliveries[:n]); err != nil {
			return err
		}
		deliveries = deliveries[n:]
		<-time.After(60 * time.Millisecond)
	}
	return nil
}

// consumes tells whether a queue is there, on a channel that may be lost by asking.
func consumes(c *cloud, queue string) bool {
	ch, err := c.conn.Channel()
	if err != nil {
		return false
	}
	defer ch.Close()
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	return err == nil && q.Consumers > 0
}
