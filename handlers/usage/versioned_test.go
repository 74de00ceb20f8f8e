package usage_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/handlers/usage"
)

// versionedDefinitions give the traits that the handler reads, from the payloads
// that Nova publishes samples of (doc/notification_samples in its repository):
// InstanceExistsPayload, InstanceActionPayload and those derived from it.
const versionedDefinitions = `
- event_type: instance.*
  traits: &instance
    instance_id: {fields: payload.'nova_object.data'.uuid}
    tenant_id: {fields: payload.'nova_object.data'.tenant_id}
    state: {fields: payload.'nova_object.data'.state}
    state_description: {fields: payload.'nova_object.data'.task_state}
    os_architecture: {fields: payload.'nova_object.data'.architecture}
    instance_flavor: {fields: payload.'nova_object.data'.flavor.'nova_object.data'.name}
    instance_flavor_id: {fields: payload.'nova_object.data'.flavor.'nova_object.data'.flavorid}
    launched_at: {fields: payload.'nova_object.data'.launched_at, type: datetime}
    deleted_at: {fields: payload.'nova_object.data'.deleted_at, type: datetime}
- event_type: instance.exists
  traits:
    <<: *instance
    audit_period_beginning: {fields: payload.'nova_object.data'.audit_period.'nova_object.data'.audit_period_beginning, type: datetime}
    audit_period_ending: {fields: payload.'nova_object.data'.audit_period.'nova_object.data'.audit_period_ending, type: datetime}
`

type fields = map[string]any

// versioned is a notification as Nova sends it with
// notification_format=versioned, in the envelope of oslo.messaging.
func versioned(t *testing.T, n int, eventType string, change fields) []byte {
	t.Helper()
	object := func(name, version string, data fields) fields {
		return fields{"nova_object.name": name, "nova_object.namespace": "nova", "nova_object.version": version, "nova_object.data": data}
	}
	data := fields{
		"architecture": nil, "availability_zone": "nova", "created_at": "2026-02-20T08:59:50Z", "deleted_at": nil, "terminated_at": nil,
		"display_name": "web01", "host": "compute1", "image_uuid": "155d900f-4e14-4e4c-a73d-069cbf4541e6", "ip_addresses": []any{},
		"kernel_id": "", "launched_at": "2026-02-20T09:00:00Z", "locked": false, "metadata": fields{}, "node": "compute1", "os_type": nil,
		"power_state": "running", "progress": 0, "state": "active", "task_state": nil, "tenant_id": "6f70656e737461636b20342065766572",
		"user_id": "u", "uuid": "178b0921-8f85-4257-88b6-2e743b5a975c",
		"flavor": object("FlavorPayload", "1.4", fields{"flavorid": "a22d5517-147c-4147-a0d1-e698df5cd4e3", "name": "small", "memory_mb": 512, "vcpus": 1, "extra_specs": fields{}}),
	}
	name, version := "InstanceActionPayload", "1.8"
	if eventType == "instance.exists" {
		name, version = "InstanceExistsPayload", "2.1"
		data["audit_period"] = object("AuditPeriodPayload", "1.0", fields{
			"audit_period_beginning": "2026-03-01T00:00:00Z", "audit_period_ending": "2026-03-02T00:00:00Z",
		})
	}
	for field, value := range change {
		switch field {
		case "flavorid":
			data["flavor"].(fields)["nova_object.data"].(fields)["flavorid"] = value
		case "audit_period_ending":
			data["audit_period"].(fields)["nova_object.data"].(fields)[field] = value
		default:
			data[field] = value
		}
	}
	message, err := json.Marshal(fields{
		"message_id": fmt.Sprintf("6d2f0d5e-7d5c-4f0e-9a8e-%012d", n), "event_type": eventType, "publisher_id": "nova-compute:compute1", "priority": "INFO",
		"timestamp": begin.Add(time.Duration(n) * time.Minute).Format("2006-01-02 15:04:05.000000"), "payload": object(name, version, data),
	})
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := json.Marshal(fields{"oslo.version": "2.0", "oslo.message": string(message)})
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

// TestVersionedNotifications: what Nova sends today gets the verdicts that the
// unversioned notifications get, with no field failing that it does not have.
func TestVersionedNotifications(t *testing.T) {
	t.Parallel()
	definitions, err := distiller.Load("versioned.yaml", []byte(versionedDefinitions), distiller.NewPlugins())
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		t.Fatal(err)
	}
	type n struct { // a notification
		event  string
		change fields
	}
	const inPeriod, before = "2026-03-01T09:00:00Z", "2026-02-01T09:00:00Z"
	gone := fields{"state": "deleted", "deleted_at": inPeriod, "terminated_at": inPeriod}
	for _, c := range []struct {
		name     string
		sent     []n
		verdicts string // the codes, "ok" for verified, "warn" before one with a warning
	}{
		{"a plain day", []n{{"exists", nil}}, "ok"},
		{"created", []n{{"create.start", nil}, {"create.end", fields{"launched_at": inPeriod}}, {"exists", fields{"launched_at": inPeriod}}}, "ok"},
		{"resized", []n{{"resize_finish.end", fields{"flavorid": "4"}}, {"exists", fields{"flavorid": "4"}}}, "ok"},
		{"rebuilt", []n{{"exists", fields{"audit_period_ending": inPeriod, "task_state": "rebuilding"}}, {"rebuild.end", fields{"architecture": "x86_64"}}, {"exists", fields{"architecture": "x86_64"}}}, "warn ok warn ok"}, // a record repeats warnings
		{"rescued", []n{{"rescue.end", fields{"state": "rescued"}}, {"exists", fields{"state": "rescued"}}}, "ok"},
		{"deleted", []n{{"delete.end", gone}, {"exists", gone}}, "ok"},
		{"never launched", []n{{"exists", fields{"state": "error", "launched_at": nil, "host": nil}}}, "ok"},
		{"U0", []n{{"power_off.end", nil}}, "U0"},
		{"U1", []n{{"exists", fields{"launched_at": nil}}}, "U1"},
		{"U2 flavor", []n{{"resize_finish.end", fields{"flavorid": "4"}}, {"exists", nil}}, "U2"},
		{"U2 architecture", []n{{"rebuild.end", fields{"architecture": "aarch64"}}, {"exists", fields{"architecture": "x86_64"}}}, "U2"},
		{"U2 deleted_at", []n{{"delete.end", gone}, {"exists", fields{"state": "deleted", "deleted_at": "2026-03-01T09:00:01Z"}}}, "U2"},
		{"U3", []n{{"exists", fields{"deleted_at": before}}}, "U3"},
		{"U4", []n{{"exists", fields{"state": "deleted", "deleted_at": before}}}, "U4"},
		{"U5", []n{{"exists", gone}}, "U5"},
		{"U6", []n{{"delete.end", gone}, {"exists", nil}}, "U6"},
		{"U7", []n{{"delete.end", gone}, {"delete.end", gone}, {"exists", gone}}, "U7"},
		{"U8", []n{{"exists", fields{"launched_at": inPeriod}}}, "U8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			events := make([]winchester.Event, len(c.sent))
			for i, sent := range c.sent {
				if events[i], err = d.Distill(versioned(t, i, "instance."+sent.event, sent.change)); err != nil {
					t.Fatal(err)
				}
			}
			made := handle(t, new(usage.Handler), events...)
			if got := verdicts(made); got != c.verdicts {
				t.Errorf("verdicts are %q, want %q: %v", got, c.verdicts, made)
			}
		})
	}
}

// verdicts writes new events in short.
func verdicts(made []winchester.Event) string {
	out := make([]string, len(made))
	for i, e := range made {
		code, _ := e.Traits.String("error_code")
		switch {
		case e.EventType == usage.EventVerified:
			out[i] = "ok"
		case e.EventType == usage.EventWarnings:
			out[i] = "warn"
		case e.EventType == usage.EventFailed && strings.HasPrefix(code, "U"):
			out[i] = code
		default:
			out[i] = e.EventType
		}
	}
	return strings.Join(out, " ")
}

// TestVersionedCoreFields: a record is compared by the fields that its family
// can have, unless the host says otherwise.
func TestVersionedCoreFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		record, op string
		trait      string
		fields     []string
		want       string
	}{
		{"instance.exists", "instance.rebuild.end", "os_distro", nil, ""},
		{"instance.exists", "compute.instance.rebuild.end", "os_version", nil, ""}, // the trigger lets both in
		{"instance.exists", "instance.rebuild.end", "os_architecture", nil, "U2"},
		{"instance.exists", "instance.rebuild.end", "os_distro", usage.DefaultCoreFields(), "U2"},
		{"compute.instance.exists", "compute.instance.rebuild.end", "os_distro", nil, "U2"},
	} {
		r := record(nil)
		r.EventType = c.record
		made := handle(t, usage.New(usage.Params{CoreFields: c.fields}), operation(c.op, winchester.Traits{c.trait: "x"}), r)
		if codes, _ := summary(made); !slices.Equal(codes, []string{c.want}) {
			t.Errorf("%+v: codes are %q", c, codes)
		}
	}
	for _, field := range usage.VersionedCoreFields() {
		if !slices.Contains(usage.DefaultCoreFields(), field) {
			t.Errorf("%s is compared in versioned records alone", field)
		}
	}
}
