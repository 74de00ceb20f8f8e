package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// delivery is a notification as a message broker would hand it over: some
// bytes, at some time.
type delivery struct {
	at   time.Time
	note string // what is special about it
	body []byte
}

// instance is a server of a tenant, as Nova reports on it.
type instance struct {
	id, name, tenant string
	memory           int
	launched         time.Time
	deleted          time.Time
}

// deliveries is two days in the life of a small cloud.
func deliveries(day time.Time) []delivery {
	web := &instance{id: "6a1f0c52-web1", name: "web-1", tenant: "acme", memory: 2048}
	db := &instance{id: "b7d2940e-db1", name: "db-1", tenant: "globex", memory: 8192}
	batch := &instance{id: "e93c55aa-batch", name: "batch-1", tenant: "globex", memory: 4096}

	var all []delivery
	n := 0
	notify := func(i *instance, eventType string, happened time.Time, delivered time.Time, note string, extra map[string]any) {
		n++
		all = append(all, delivery{at: delivered, note: note, body: notification(i, n, eventType, happened, extra)})
	}
	at := func(d, h, m int) time.Time {
		return day.AddDate(0, 0, d).Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
	}
	audit := func(i *instance, d int) {
		notify(i, "compute.instance.exists", at(d+1, 0, 15), at(d+1, 0, 15), "", map[string]any{
			"audit_period_beginning": at(d, 0, 0).Format(novaTime), "audit_period_ending": at(d+1, 0, 0).Format(novaTime),
		})
	}

	// web-1 is created, and the end of its creation overtakes the beginning.
	web.launched = at(0, 9, 4)
	notify(web, "compute.instance.create.end", at(0, 9, 4), at(0, 9, 4), "out of order", nil)
	notify(web, "compute.instance.create.start", at(0, 9, 2), at(0, 9, 5), "out of order", nil)

	// db-1 is created; the broker delivers one notification twice.
	notify(db, "compute.instance.create.start", at(0, 10, 0), at(0, 10, 0), "", nil)
	db.launched = at(0, 10, 3)
	notify(db, "compute.instance.create.end", at(0, 10, 3), at(0, 10, 3), "", nil)
	again := all[len(all)-1]
	again.at, again.note = at(0, 10, 4), "delivered twice"
	all = append(all, again)

	// batch-1 never comes up.
	notify(batch, "compute.instance.create.start", at(0, 11, 0), at(0, 11, 0), "never ends", nil)

	// Someone's proxy mangles a notification, and somebody else's service
	// sends what nobody has asked for.
	all = append(all,
		delivery{at: at(0, 12, 0), note: "malformed", body: []byte(`{"message_id": "m-broken", "event_type": "compute.instance.update", "payload": {"memory_mb": "lots", "instance_id": "x"}, "timestamp": "` + at(0, 12, 0).Format(novaTime) + `"}`)},
		delivery{at: at(0, 12, 1), note: "nobody asked for it", body: []byte(`{"message_id": "m-image", "event_type": "image.upload", "publisher_id": "glance", "payload": {}, "timestamp": "` + at(0, 12, 1).Format(novaTime) + `"}`)},
	)

	// web-1 grows.
	notify(web, "compute.instance.resize.confirm.start", at(0, 15, 0), at(0, 15, 0), "", nil)
	web.memory = 4096
	notify(web, "compute.instance.resize.confirm.end", at(0, 15, 1), at(0, 15, 1), "", nil)

	// Midnight: the audit of day one.
	audit(web, 0)
	audit(db, 0)

	// Day two: db-1 is deleted, and its audit gets lost.
	notify(db, "compute.instance.delete.start", at(1, 8, 0), at(1, 8, 0), "", nil)
	db.deleted = at(1, 8, 1)
	notify(db, "compute.instance.delete.end", at(1, 8, 1), at(1, 8, 1), "", nil)
	notify(web, "compute.instance.reboot.end", at(1, 13, 0), at(1, 13, 0), "", nil)
	audit(web, 1)
	return all
}

const novaTime = "2006-01-02 15:04:05.000000"

func notification(i *instance, n int, eventType string, happened time.Time, extra map[string]any) []byte {
	payload := map[string]any{
		"instance_id": i.id, "tenant_id": i.tenant, "display_name": i.name, "memory_mb": i.memory,
		"state": "active", "launched_at": "", "deleted_at": "",
	}
	if !i.launched.IsZero() {
		payload["launched_at"] = i.launched.Format(novaTime)
	}
	if !i.deleted.IsZero() {
		payload["state"], payload["deleted_at"] = "deleted", i.deleted.Format(novaTime)
	}
	for k, v := range extra {
		payload[k] = v
	}
	body, err := json.Marshal(map[string]any{
		"message_id": fmt.Sprintf("m-%02d", n), "event_type": eventType, "publisher_id": "nova-compute:node-7", "priority": "INFO",
		"timestamp": happened.Format(novaTime), "_context_request_id": fmt.Sprintf("req-%04x", 0xa000+n), "payload": payload,
	})
	if err != nil {
		panic(err)
	}
	if n%2 == 0 {
		return body // the driver "messaging" sends the bare body
	}
	envelope, err := json.Marshal(map[string]string{"oslo.version": "2.0", "oslo.message": string(body)})
	if err != nil {
		panic(err)
	}
	return envelope // and "messagingv2" an envelope
}
