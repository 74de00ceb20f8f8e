package distiller_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

func Example() {
	definitions, err := distiller.Load("event_definitions.yaml", []byte(`
- event_type: compute.instance.*
  traits: &instance
    instance_id: {fields: payload.instance_id}
    memory_mb: {fields: payload.memory_mb, type: int}
    host: {fields: publisher_id, plugin: {name: split, parameters: {segment: 1}}}
- event_type: compute.instance.exists
  traits:
    <<: *instance
    launched_at: {fields: payload.launched_at, type: datetime}
`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := d.Distill([]byte(`{
		"message_id": "dae6f69c", "event_type": "compute.instance.exists",
		"publisher_id": "compute.host1", "timestamp": "2026-05-08 20:23:48.028195",
		"_context_request_id": "req-d68b", "_context_tenant": "7c15",
		"payload": {"instance_id": "9f9d01b9", "memory_mb": "512", "launched_at": "2026-05-01T08:00:00Z"}
	}`))
	fmt.Println(event.MessageID, event.EventType, event.Timestamp)
	for _, name := range []string{"instance_id", "memory_mb", "host", "launched_at", "request_id", "tenant_id", "service"} {
		fmt.Printf("%s: %T %v\n", name, event.Traits[name], event.Traits[name])
	}
	fmt.Println(err)
	// Output:
	// dae6f69c compute.instance.exists 2026-05-08 20:23:48.028195 +0000 UTC
	// instance_id: string 9f9d01b9
	// memory_mb: int64 512
	// host: string host1
	// launched_at: time.Time 2026-05-01 08:00:00 +0000 UTC
	// request_id: string req-d68b
	// tenant_id: string 7c15
	// service: string compute.host1
	// <nil>
}

// All faults of a file are reported together, each with its place.
func ExampleLoad() {
	_, err := distiller.Load("event_definitions.yaml", []byte(`
- event_type: compute.instance.*
  traits:
    memory_mb: {fields: payload.memory_mb, type: integer}
    host: {fields: payload.host, plugn: split}
    first: {fields: payload.list.0}
`), nil)
	fmt.Println(err)
	fmt.Println(errors.Is(err, winchester.ErrDefinition))
	// Output:
	// event_definitions.yaml:4:50: [0].traits.memory_mb.type: expected one of text, int, float, datetime, found "integer"
	// event_definitions.yaml:5:34: [0].traits.host: unknown key "plugn" (did you mean "plugin"?)
	// event_definitions.yaml:6:34: [0].traits.first.fields: in the field path "payload.list.0": expected a field name, found the number 0; put it in brackets as an index, in quotes as a name
	// true
}

// A notification that cannot be distilled is refused as a whole.
func ExampleError() {
	definitions, err := distiller.Load("event_definitions.yaml", []byte(`
- {event_type: order.*, traits: {amount: {fields: payload.amount, type: float}}}
`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, body := range []string{
		`{"message_id": "17", "event_type": "order.placed", "payload": {"amount": "12,50"}}`,
		`{"message_id": "18", "event_type": "stock.low"}`,
		`{"id": "19", "kind": "order.placed"}`,
	} {
		_, err := d.Distill([]byte(body))
		fmt.Println(err)
		fmt.Println(errors.Is(err, distiller.ErrTrait), errors.Is(err, winchester.ErrDropped), errors.Is(err, distiller.ErrUnknownFormat))
	}
	// Output:
	// trait cannot be extracted: order.placed 17: trait "amount": payload.amount is "12,50": it is no number, and the trait's type is float
	// true false false
	// dropped: stock.low 18
	// false true false
	// unknown notification format: no event_type, oslo.message, specversion, CADF typeURI or detail-type among its keys: "id", "kind"
	// false false true
}

// upper is a plugin with a parameter.
type upper struct{ fallback string }

func newUpper(parameters map[string]any) (distiller.TraitPlugin, error) {
	fallback, ok := parameters["default"].(string)
	if !ok {
		return nil, errors.New("default: expected a text")
	}
	return upper{fallback}, nil
}

func (u upper) Value(matches []distiller.Match) (any, error) {
	if len(matches) == 0 {
		return u.fallback, nil
	}
	text, ok := matches[0].Value.(string)
	if !ok {
		return nil, fmt.Errorf("expected a text, found %T", matches[0].Value)
	}
	return strings.ToUpper(text), nil
}

func ExamplePlugins() {
	plugins := distiller.NewPlugins()
	if err := plugins.Register("upper", newUpper); err != nil {
		fmt.Println(err)
		return
	}
	definitions, err := distiller.Load("event_definitions.yaml", []byte(`
- event_type: order.*
  traits:
    country: {fields: payload.country, plugin: {name: upper, parameters: {default: DE}}}
`), plugins)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, payload := range []string{`{"country": "fr"}`, `{}`, `{"country": 33}`} {
		event, err := d.Distill([]byte(`{"message_id": "1", "event_type": "order.placed", "payload": ` + payload + `}`))
		fmt.Println(event.Traits["country"], err)
	}
	// Output:
	// FR <nil>
	// DE <nil>
	// <nil> trait cannot be extracted: order.placed 1: trait "country": payload.country is 33: expected a text, found int64
}

// A Condenser makes of a notification what the application needs.
func ExampleDistiller_Condense() {
	d, err := distiller.New(distiller.Config{CatchAll: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	var c distiller.MapCondenser
	err = d.Condense([]byte(`{"message_id": "1", "event_type": "a", "timestamp": "2026-05-08 20:23:48", "publisher_id": "host1"}`), &c)
	fmt.Println(c.Map(), err)
	// Output:
	// map[event_type:a message_id:1 service:host1 when:2026-05-08 20:23:48 +0000 UTC] <nil>
}

// The definitions that come with the package make one set of events of both of
// Nova's formats. What a later source says of an event type counts first.
func ExampleBuiltin() {
	sources, err := distiller.Builtin("nova")
	if err != nil {
		fmt.Println(err)
		return
	}
	own := distiller.Source{File: "own.yaml", Data: []byte("- {event_type: order.*, traits: {order: {fields: payload.order_id}}}")}
	definitions, err := distiller.LoadSources(nil, append(sources, own)...)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, body := range []string{
		`{"message_id": "1", "event_type": "compute.instance.exists", "publisher_id": "compute.c1", "payload": {"instance_id": "178b", "memory_mb": 512}}`,
		`{"message_id": "2", "event_type": "instance.exists", "publisher_id": "nova-compute:c1", "payload": {"nova_object.name": "InstanceExistsPayload",
			"nova_object.data": {"uuid": "178b", "flavor": {"nova_object.name": "FlavorPayload", "nova_object.data": {"memory_mb": 512}}}}}`,
	} {
		event, err := d.Distill([]byte(body))
		fmt.Println(event.EventType, event.Traits["instance_id"], event.Traits["memory_mb"], event.Traits["host"], err)
	}
	// Output:
	// compute.instance.exists 178b 512 c1 <nil>
	// compute.instance.exists 178b 512 c1 <nil>
}

// A CloudEvent over HTTP, in binary mode.
func ExampleDistiller_CloudEvent() {
	d, err := distiller.New(distiller.Config{CatchAll: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := d.CloudEvent(map[string]string{
		"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": "A-1", "Ce-Source": "/shop/eu",
		"Ce-Type": "order.placed", "Ce-Time": "2026-04-05T17:31:00Z", "Ce-Subject": "order%2017",
	}, []byte(`{"amount": 12.5}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := d.Distill(body)
	fmt.Printf("%q %s %s %v\n", event.MessageID, event.EventType, event.Traits["subject"], err)
	// Output:
	// "/shop/eu A-1" order.placed order 17 <nil>
}
