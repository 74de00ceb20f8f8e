package winchester_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// daySize is how many notifications a mixed day has.
func daySize() int {
	if testing.Short() {
		return 2000
	}
	return 100_000
}

// BenchmarkMixedDay goes from the bytes of a day's notifications, of a cloud and
// a shop, to the streams that their events belong to: everything but the
// database. Beside it, in turns, encoding/json decodes the same bytes, without
// what is in envelopes. vs-json is how many times as fast the bytes become
// events; the others are of distilling and matching together.
func BenchmarkMixedDay(b *testing.B) {
	d := dayDistiller(b)
	m := dayTriggers(b, d)
	const chunk = 500
	var distilling, matching, decoding time.Duration
	var count, size int
	events, places := make([]winchester.Event, chunk), map[string]int{}
	for b.Loop() {
		day := newDay(b, 1)
		for done := 0; done < daySize(); done += chunk {
			bodies := day.next(chunk)
			start := time.Now()
			for i, body := range bodies {
				var err error
				if events[i], err = d.Distill(body); err != nil {
					b.Fatalf("%v: %s", err, body)
				}
			}
			distilled := time.Now()
			winchester.Match(m, events, places)
			matched := time.Now()
			for _, body := range bodies {
				var v any
				if err := json.Unmarshal(body, &v); err != nil {
					b.Fatal(err)
				}
			}
			decoding += time.Since(matched)
			distilling += distilled.Sub(start)
			matching += matched.Sub(distilled)
			for _, body := range bodies {
				size += len(body)
			}
			count += len(bodies)
		}
	}
	total := distilling + matching
	b.ReportMetric(decoding.Seconds()/distilling.Seconds(), "vs-json")
	b.ReportMetric(decoding.Seconds()/total.Seconds(), "vs-json-matched")
	b.ReportMetric(float64(count)/total.Seconds(), "notifications/s")
	b.ReportMetric(float64(size)/1e6/total.Seconds(), "MB/s")
	b.ReportMetric(float64(size)/float64(count), "B/notification")
	b.ReportMetric(0, "ns/op") // of making the day, too
}

// BenchmarkAddNotifications adds a mixed day's notifications a hundred at a time.
// distilling is its part of the time.
func BenchmarkAddNotifications(b *testing.B) {
	d := dayDistiller(b)
	m := dayTriggers(b, d)
	day := newDay(b, 2)
	const batch = 100
	var adding, distilling time.Duration
	for b.Loop() {
		bodies := day.next(batch)
		start := time.Now()
		for _, body := range bodies {
			if _, err := d.Distill(body); err != nil {
				b.Fatal(err)
			}
		}
		distilled := time.Now()
		results, err := m.AddNotifications(b.Context(), bodies)
		if err != nil {
			b.Fatal(err)
		}
		adding += time.Since(distilled)
		distilling += distilled.Sub(start)
		for _, r := range results {
			if r.Outcome != winchester.OutcomeStored {
				b.Fatalf("%+v", r)
			}
		}
	}
	b.ReportMetric(float64(b.N*batch)/adding.Seconds(), "notifications/s")
	b.ReportMetric(distilling.Seconds()/adding.Seconds(), "distilling")
	b.ReportMetric(0, "ns/op") // of making and distilling them, too
}

// The day is what it is meant to be: all of it distils, each trigger has its
// share, no two notifications are the same event, and a seed is a day.
func TestMixedDay(t *testing.T) {
	t.Parallel()
	const n = 3000
	d := dayDistiller(t)
	m := dayTriggers(t, d)
	day, again := newDay(t, 7), newDay(t, 7)
	var events []winchester.Event
	ids := map[string]bool{}
	for _, body := range day.next(n) {
		event, err := d.Distill(body)
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		events = append(events, event)
		ids[event.MessageID] = true
	}
	places := map[string]int{}
	winchester.Match(m, events, places)
	for _, trigger := range m.Triggers() {
		if share := float64(places[trigger.Name]) / n; share < 0.003 {
			t.Errorf("%s: %d of %d", trigger.Name, places[trigger.Name], n)
		}
	}
	if len(ids) != n {
		t.Errorf("%d message ids for %d notifications", len(ids), n)
	}
	if same := again.next(n); !bytes.Equal(bytes.Join(same, nil), bytes.Join(newDay(t, 7).next(n), nil)) {
		t.Error("two days of one seed differ")
	}
}

// day makes notifications out of the samples that the built-in definitions are
// tested with: each time with other ids, of instances, ports and so on that
// come again, and with the time going on.
type day struct {
	random *rand.Rand
	kinds  []dayKind
	weight int
	at     time.Time
	ids    []string // of what there is in the cloud
}

type dayKind struct {
	weight int
	make   []func(d *day) []byte
}

func newDay(t testing.TB, seed uint64) *day {
	t.Helper()
	d := &day{random: rand.New(rand.NewPCG(seed, 0)), at: time.Date(2026, 8, 21, 0, 0, 0, 0, time.UTC)}
	for range 3000 {
		d.ids = append(d.ids, d.id())
	}
	for _, k := range []struct {
		file   string
		weight int
	}{
		{"nova", 45}, {"neutron", 22}, {"cinder", 8}, {"glance", 3}, {"keystone", 12},
	} {
		data, err := os.ReadFile(filepath.Join("distiller", "testdata", "builtin", k.file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var samples []json.RawMessage
		if err := json.Unmarshal(data, &samples); err != nil {
			t.Fatal(err)
		}
		kind := dayKind{weight: k.weight}
		for _, s := range samples {
			kind.make = append(kind.make, template(s))
		}
		d.kinds = append(d.kinds, kind)
	}
	d.kinds = append(d.kinds, dayKind{weight: 10, make: []func(*day) []byte{(*day).order}})
	for _, k := range d.kinds {
		d.weight += k.weight
	}
	return d
}

func (d *day) next(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		d.at = d.at.Add(time.Duration(d.random.ExpFloat64() * float64(864*time.Millisecond)))
		pick := d.random.IntN(d.weight)
		for _, k := range d.kinds {
			if pick -= k.weight; pick < 0 {
				out[i] = k.make[d.random.IntN(len(k.make))](d)
				break
			}
		}
	}
	return out
}

func (d *day) id() string {
	a, b := d.random.Uint64(), d.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}

var (
	uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// own are the ids that the samples have for themselves, which never come
	// again: those of messages, and of CADF events that came alone.
	own = regexp.MustCompile(`^........-0000-4000-8000-`)
)

// template finds the ids and the time in a sample.
func template(sample []byte) func(d *day) []byte {
	sample = bytes.ReplaceAll(sample, []byte("openstack:7a7a"), []byte("openstack:00000000-0000-4000-8000-000000000000"))
	stamp := regexp.MustCompile(`("timestamp\\?": ?\\?")[^"\\]+`).FindSubmatchIndex(sample)
	var parts [][]byte
	var ids []string
	at := 0
	add := func(from, to int, id string) {
		parts, ids = append(parts, sample[at:from]), append(ids, id)
		at = to
	}
	for _, found := range uuid.FindAllIndex(sample, -1) {
		if stamp != nil && stamp[3] < found[0] && stamp[3] > at {
			add(stamp[3], stamp[1], "timestamp")
		}
		add(found[0], found[1], string(sample[found[0]:found[1]]))
	}
	if stamp != nil && stamp[3] > at {
		add(stamp[3], stamp[1], "timestamp")
	}
	rest := sample[at:]
	return func(d *day) []byte {
		out := make([]byte, 0, len(sample)+16)
		given := map[string]string{} // an id that comes several times stays one
		for i, part := range parts {
			out = append(out, part...)
			id, ok := given[ids[i]]
			switch {
			case ok:
			case ids[i] == "timestamp":
				id = d.at.Format("2006-01-02 15:04:05.000000")
			case own.MatchString(ids[i]):
				id = d.id()
			default:
				id = d.ids[d.random.IntN(len(d.ids))]
			}
			given[ids[i]] = id
			out = append(out, id...)
		}
		return append(out, rest...)
	}
}

// order is a CloudEvent of a shop.
func (d *day) order() []byte {
	type line struct {
		SKU      string  `json:"sku"`
		Quantity int     `json:"quantity"`
		Price    float64 `json:"price"`
	}
	lines := make([]line, 1+d.random.IntN(6))
	for i := range lines {
		lines[i] = line{fmt.Sprintf("SKU-%05d", d.random.IntN(99999)), 1 + d.random.IntN(4), float64(d.random.IntN(20000)) / 100}
	}
	order := d.random.IntN(20000)
	out, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": d.id(), "source": "/shop/eu", "type": []string{"order.placed", "order.paid", "order.shipped"}[d.random.IntN(3)],
		"time": d.at.Format(time.RFC3339Nano), "subject": fmt.Sprintf("order-%d", order), "datacontenttype": "application/json",
		"traceparent": "00-" + d.id()[:8] + "af7651916cd43dd8448eb211-b7ad6b7169203331-01",
		"data": map[string]any{
			"order_id": order, "customer": map[string]any{"id": d.random.IntN(5000), "country": "DE", "vip": order%7 == 0},
			"lines": lines, "amount": float64(d.random.IntN(100000)) / 100, "currency": "EUR", "note": "Leave it at the door, \"please\".",
		},
	})
	if err != nil {
		panic(err)
	}
	return out
}

func dayDistiller(t testing.TB) *distiller.Distiller {
	t.Helper()
	sources, err := distiller.Builtin("openstack")
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := distiller.LoadSources(nil, append(sources, distiller.Source{File: "shop", Data: []byte(`
- event_type: order.*
  traits:
    order_id: {fields: data.order_id, type: int}
    customer_id: {fields: data.customer.id, type: int}
    country: {fields: data.customer.country}
    amount: {fields: data.amount, type: float}
    currency: {fields: data.currency}
    first_sku: {fields: 'data.lines[0].sku'}
`)})...)
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// dayTriggers are ten, as a cloud and a shop might have them.
func dayTriggers(t testing.TB, d winchester.Distiller) *winchester.TriggerManager {
	t.Helper()
	types := func(types ...string) []winchester.Criterion { return []winchester.Criterion{{EventTypes: types}} }
	by := winchester.By
	daily := func(trait string) []winchester.Distinguisher {
		return append(by(trait), winchester.Distinguisher{Trait: "timestamp", Expression: "day"})
	}
	definitions := []winchester.TriggerDefinition{
		{Name: "usage", DistinguishedBy: daily("instance_id"), MatchCriteria: types("compute.instance.*", "!compute.instance.exists.*"), FireCriteria: types("compute.instance.exists")},
		{Name: "creation", DistinguishedBy: by("instance_id"), MatchCriteria: types("compute.instance.create.*", "compute.instance.update"), FireCriteria: types("compute.instance.create.end")},
		{Name: "deletion", DistinguishedBy: by("instance_id"), MatchCriteria: types("compute.instance.delete.*", "port.delete.*", "volume.detach.*"), FireCriteria: types("compute.instance.delete.end")},
		{Name: "logins", DistinguishedBy: by("initiator_id"), MatchCriteria: []winchester.Criterion{{EventTypes: []string{"identity.authenticate"}, Traits: map[string]any{"outcome": "failure"}}}, FireCriteria: []winchester.Criterion{{Number: 5}}},
		{Name: "request", DistinguishedBy: by("request_id"), MatchCriteria: types("*.start", "*.end", "*.error"), FireCriteria: types("*.end")},
		{Name: "ports", DistinguishedBy: by("resource_id"), MatchCriteria: types("port.*", "floatingip.*"), FireCriteria: types("port.create.end")},
		{Name: "volumes", DistinguishedBy: daily("volume_id"), MatchCriteria: types("volume.*", "snapshot.*", "backup.*"), FireCriteria: types("volume.exists")},
		{Name: "images", DistinguishedBy: by("image_id"), MatchCriteria: types("image.*"), FireCriteria: types("image.upload", "image.activate")},
		{Name: "order", DistinguishedBy: by("order_id"), MatchCriteria: types("order.*"), FireCriteria: append(types("order.placed"), types("order.paid")...)},
		{Name: "large orders", DistinguishedBy: by("customer_id"), MatchCriteria: []winchester.Criterion{{EventTypes: []string{"order.placed"}, Traits: map[string]any{"amount": winchester.Compare{Type: "float", Value: "> 500"}}}}, FireCriteria: []winchester.Criterion{{Number: 3}}},
	}
	for i := range definitions {
		definitions[i].Expiration, definitions[i].ExpirePipeline = "$last + 1d", "p"
	}
	m, err := winchester.NewTriggerManager(winchester.TriggerConfig{Store: testdb.Open(t, store.Options{}), Distiller: d, Triggers: definitions})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
