package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// instance is a server as Nova knows it at some moment.
type instance struct {
	id, name, tenant, host string
	flavor                 int
	image                  image
	state                  string
	created                time.Time
	launched, deleted      time.Time // zero if not, or not yet
	versioned              bool      // its host has notification_format = versioned
	envelope               bool      // and the driver messagingv2
	busy                   time.Time // a day that is spoken for
}

type image struct{ distro, version string }

type fields = map[string]any

// period is what a record accounts for.
type period struct{ from, to time.Time }

func (p period) given() bool { return !p.from.IsZero() }

// notification writes what Nova would send: eventType is that of the unversioned
// notifications, without compute.instance.
// See https://docs.openstack.org/nova/latest/reference/notifications.html.
func notification(i instance, id, eventType string, at time.Time, p period) (key string, body []byte) {
	message := fields{
		"message_id": id, "priority": "INFO", "timestamp": at.Format("2006-01-02 15:04:05.000000"),
		"_context_request_id": "req-" + id, "_context_project_id": i.tenant, "_context_user_id": "5e1b7f0c2d3a4b5c6d7e8f9012345678",
		"_context_is_admin": false, "_context_roles": []string{"member", "reader"},
	}
	if i.versioned {
		key = "versioned_notifications.info"
		message["event_type"], message["publisher_id"] = "instance."+versionedName(eventType), "nova-compute:"+i.host
		message["payload"] = versionedPayload(i, eventType, p)
	} else {
		key = "notifications.info"
		message["event_type"], message["publisher_id"] = "compute.instance."+eventType, "compute."+i.host
		message["payload"] = payload(i, p)
	}
	if !i.envelope {
		return key, encode(message)
	}
	return key, encode(fields{"oslo.version": "2.0", "oslo.message": string(encode(message))})
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts, numbers and maps
	}
	return data
}

// versionedName is what a finished resize, for one, is called there.
func versionedName(eventType string) string {
	return strings.NewReplacer("finish_resize.", "resize_finish.", "resize.confirm.", "resize_confirm.", "resize.prep.", "resize_prep.").Replace(eventType)
}

// written writes a time, and a missing one as missing does it.
func written(t time.Time, layout string, missing any) any {
	if t.IsZero() {
		return missing
	}
	return t.Format(layout)
}

func flavorName(flavor int) string { return fmt.Sprintf("m1.x%d", flavor) }

// payload is that of an unversioned notification.
func payload(i instance, p period) fields {
	const iso = "2006-01-02T15:04:05.000000"
	out := fields{
		"tenant_id": i.tenant, "user_id": "5e1b7f0c2d3a4b5c6d7e8f9012345678", "instance_id": i.id, "display_name": i.name, "hostname": i.name,
		"instance_type": flavorName(i.flavor), "instance_type_id": 100 + i.flavor, "instance_flavor_id": fmt.Sprint(i.flavor),
		"memory_mb": 1024 * i.flavor, "vcpus": i.flavor, "root_gb": 20, "ephemeral_gb": 0, "disk_gb": 20, "architecture": "x86_64", "os_type": "linux",
		"host": i.host, "node": i.host + ".example.net", "availability_zone": "az-1", "cell_name": "",
		"state": i.state, "state_description": "", "progress": "", "metadata": fields{}, "kernel_id": "", "ramdisk_id": "",
		"created_at":  i.created.Format("2006-01-02 15:04:05+00:00"),
		"launched_at": written(i.launched, iso, ""), "deleted_at": written(i.deleted, iso, ""), "terminated_at": written(i.deleted, iso, ""),
		"image_meta": fields{
			"container_format": "bare", "disk_format": "qcow2", "min_disk": "20", "org.openstack__1__architecture": "x64",
			"org.openstack__1__os_distro": i.image.distro, "org.openstack__1__os_version": i.image.version, "com.rackspace__1__options": "0",
		},
	}
	if p.given() {
		out["audit_period_beginning"], out["audit_period_ending"] = p.from.Format(time.DateTime), p.to.Format(time.DateTime)
		out["bandwidth"] = fields{"public": fields{"bw_in": 1000 * len(i.name), "bw_out": 500 * len(i.name)}}
	}
	return out
}

// versionedPayload is that of a versioned one.
func versionedPayload(i instance, eventType string, p period) fields {
	data := fields{
		"uuid": i.id, "tenant_id": i.tenant, "user_id": "5e1b7f0c2d3a4b5c6d7e8f9012345678", "display_name": i.name, "host_name": i.name,
		"host": i.host, "node": i.host + ".example.net", "availability_zone": "az-1", "architecture": "x86_64", "os_type": "linux",
		"state": i.state, "task_state": nil, "power_state": "running", "locked": false, "metadata": fields{}, "ip_addresses": []any{},
		"kernel_id": "", "ramdisk_id": "", "progress": 0, "image_uuid": "0d9f8e7c-6b5a-4938-8271-605f4e3d2c1b",
		"created_at":  i.created.Format(time.RFC3339),
		"launched_at": written(i.launched, time.RFC3339, nil), "deleted_at": written(i.deleted, time.RFC3339, nil),
		"terminated_at": written(i.deleted, time.RFC3339, nil),
		"flavor": object("FlavorPayload", "1.4", fields{
			"flavorid": fmt.Sprint(i.flavor), "name": flavorName(i.flavor), "memory_mb": 1024 * i.flavor, "vcpus": i.flavor, "root_gb": 20,
			"ephemeral_gb": 0, "swap": 0, "disabled": false, "is_public": true, "extra_specs": fields{},
		}),
	}
	switch {
	case p.given():
		data["audit_period"] = object("AuditPeriodPayload", "1.0", fields{
			"audit_period_beginning": p.from.Format(time.RFC3339), "audit_period_ending": p.to.Format(time.RFC3339),
		})
		return object("InstanceExistsPayload", "2.1", data)
	case strings.HasPrefix(eventType, "create."):
		return object("InstanceCreatePayload", "1.12", data)
	}
	return object("InstanceActionPayload", "1.9", data)
}

func object(name, version string, data fields) fields {
	return fields{"nova_object.namespace": "nova", "nova_object.name": name, "nova_object.version": version, "nova_object.data": data}
}

// heartbeat is what a compute service says of itself: there is always something
// that tells the time.
func heartbeat(id string, at time.Time) (key string, body []byte) {
	return "versioned_notifications.info", encode(fields{
		"message_id": id, "priority": "INFO", "timestamp": at.Format("2006-01-02 15:04:05.000000"),
		"event_type": "service.update", "publisher_id": "nova-compute:cmp-00",
		"payload": object("ServiceStatusPayload", "1.1", fields{
			"host": "cmp-00", "binary": "nova-compute", "topic": "compute", "disabled": false, "disabled_reason": nil, "last_seen_up": at.Format(time.RFC3339),
			"report_count": 17, "forced_down": false, "version": 67,
		}),
	})
}
