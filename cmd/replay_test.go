package cmd_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed71495667/winchester/internal/testdb"
)

// TestReplay replays a recorded day as a user does: a feeder and two workers,
// each a process, on one database. Which streams have fired and expired, with
// which events, is what the simulation of the same file says.
func TestReplay(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		replay(t, "sqlite:///w.db")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		replay(t, testdb.PostgresSchema(t))
	})
}

func replay(t *testing.T, database string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"winchester.yaml": "database: {url: " + database + "}\ntrigger_definitions: triggers.yaml\npipeline_config: pipelines.yaml\nclock: replay\n",
		"pipelines.yaml":  "fired: [logger]\nexpired: [logger]\n",
		"triggers.yaml":   replayedTriggers,
		"day.jsonl":       recordedDay(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) []byte {
		t.Helper()
		c := exec.Command(binary, args...)
		c.Dir = dir
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	want := simulatedEnds(t, run("simulate", "--events", "--json", "day.jsonl"))

	run("db", "upgrade")
	workers := []*daemon{startDaemon(t, dir, nil, "worker", "--name", "one"), startDaemon(t, dir, nil, "worker", "--name", "two")}
	for _, w := range workers {
		w.until("msg=Started")
	}
	run("add", "--events", "day.jsonl")
	run("clock", "finish")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(time.Minute); strings.TrimSpace(string(run("streams", "count"))) != "0"; {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("streams are left:\n%s", run("streams", "list"))
		}
	}
	var got []string
	for _, w := range workers {
		if err := w.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := w.exitCode(); code != 0 {
			t.Errorf("exit code %d\n%s", code, w.output())
		}
		got = append(got, loggedEnds(w.output())...)
	}
	for _, end := range got {
		if i := slices.Index(want, end); i >= 0 {
			want = slices.Delete(want, i, i+1)
		} else {
			t.Errorf("replayed and not simulated: %s", end)
		}
	}
	for _, end := range want {
		t.Errorf("simulated and not replayed: %s", end)
	}
}

const replayedTriggers = `
- name: order
  distinguished_by: [order]
  match_criteria: [{event_type: order.*}]
  fire_criteria: [{event_type: order.placed}, {event_type: order.paid}]
  expiration: $last + 1h
  fire_pipeline: fired
  expire_pipeline: expired
- name: delivery
  distinguished_by: [order]
  match_criteria: [{event_type: [order.paid, order.sent]}]
  fire_criteria: [{event_type: order.sent}]
  fire_delay: 900
  expiration: $timestamp + 90m
  fire_pipeline: fired
  expire_pipeline: expired
- name: hour
  distinguished_by: [{timestamp: hour}]
  match_criteria: [{event_type: "*"}]
  fire_criteria: [{event_type: order.*, number: 100000}]
  expiration: hour($last) + 1h
  fire_pipeline: fired
  expire_pipeline: expired
`

// recordedDay are events of one day, some of them late, as JSON Lines.
func recordedDay() string {
	random := rand.New(rand.NewPCG(20141224, 0))
	at := time.Date(2014, 12, 24, 0, 0, 0, 0, time.UTC)
	var b strings.Builder
	for i := range 2500 {
		at = at.Add(time.Duration(random.IntN(60)) * time.Second)
		when := at
		if random.IntN(20) == 0 {
			when = at.Add(-time.Duration(random.IntN(120)) * time.Minute)
		}
		fmt.Fprintf(&b, `{"message_id":"%d","event_type":"order.%s","timestamp":"%s","traits":{"order":%d}}`+"\n",
			i, []string{"placed", "paid", "sent", "changed"}[random.IntN(4)], when.Format(time.RFC3339), random.IntN(200))
	}
	return b.String()
}

func simulatedEnds(t *testing.T, report []byte) (ends []string) {
	t.Helper()
	var r struct {
		Streams []struct {
			Trigger, Pipeline string
			Events            []string
		}
	}
	if err := json.Unmarshal(report, &r); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Streams {
		ends = append(ends, fmt.Sprintf("%s %s %v", s.Trigger, s.Pipeline, s.Events))
	}
	if len(ends) < 500 {
		t.Fatalf("only %d streams", len(ends))
	}
	return ends
}

var (
	receivedLine = regexp.MustCompile(`msg="Received \d+ events: ([^"]*)" trigger=(\S+) .*pipeline=(\S+)`)
	eventID      = regexp.MustCompile(`: (\d+)`)
)

// loggedEnds are the streams that a worker's log tells of.
func loggedEnds(log string) (ends []string) {
	for _, m := range receivedLine.FindAllStringSubmatch(log, -1) {
		ids := []string{}
		for _, id := range eventID.FindAllStringSubmatch(m[1], -1) {
			ids = append(ids, id[1])
		}
		ends = append(ends, fmt.Sprintf("%s %s %v", m[2], m[3], ids))
	}
	return ends
}
