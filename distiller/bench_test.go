package distiller_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/seed71495667/winchester/distiller"
)

// notifications are the recorded ones of Nova where WINCHESTER_GOLDEN has them,
// and else one of our own making, of much the same size and shape.
func notifications(b *testing.B) (*distiller.Distiller, [][]byte) {
	b.Helper()
	dir, _ := goldenDir()
	source, bodies := []byte(novaDefinitions), [][]byte{[]byte(novaNotification)}
	if data, err := os.ReadFile(filepath.Join(dir, "notigen.yaml")); err == nil {
		source, bodies = data, goldenLines(b, "notigen_notifications.jsonl", 320)
	}
	definitions, err := distiller.Load("definitions.yaml", source, nil)
	if err != nil {
		b.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions, CatchAll: true})
	if err != nil {
		b.Fatal(err)
	}
	return d, bodies
}

func meanSize(bodies [][]byte) int64 {
	n := 0
	for _, body := range bodies {
		n += len(body)
	}
	return int64(n / len(bodies))
}

// run goes through the bodies again and again.
func run(b *testing.B, bodies [][]byte, one func(body []byte) error) {
	b.Helper()
	b.SetBytes(meanSize(bodies))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := one(bodies[i%len(bodies)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "notifications/s")
}

// BenchmarkDistill goes from JSON to an event of about 25 traits.
func BenchmarkDistill(b *testing.B) {
	d, bodies := notifications(b)
	run(b, bodies, func(body []byte) error {
		_, err := d.Distill(body)
		return err
	})
}

// BenchmarkDistillFresh is the same with ids and names that were never seen
// before, so that no text can be used again.
func BenchmarkDistillFresh(b *testing.B) {
	d, bodies := notifications(b)
	value := regexp.MustCompile(`"(tenant_id|user_id|instance_id|_context_request_id|display_name|publisher_id)": *"[^"]{6,}"`)
	var fresh [][]byte
	for n := range 4000 {
		fresh = append(fresh, value.ReplaceAllFunc(bodies[n%len(bodies)], func(found []byte) []byte {
			return fmt.Appendf(nil, `%s%05d"`, found[:len(found)-len(`00000"`)], n)
		}))
	}
	run(b, fresh, func(body []byte) error {
		_, err := d.Distill(body)
		return err
	})
}

// BenchmarkDistillEnvelope has the notifications in the envelope of
// oslo.messaging, where each quote is escaped.
func BenchmarkDistillEnvelope(b *testing.B) {
	d, bodies := notifications(b)
	for i, body := range bodies {
		bodies[i] = []byte(envelope("2.0", string(body)))
	}
	run(b, bodies, func(body []byte) error {
		_, err := d.Distill(body)
		return err
	})
}

// BenchmarkDistillBesideJSON distils and lets encoding/json decode the same
// bytes, taking turns. vs-json is how many notifications are distilled in the
// time in which one is decoded.
func BenchmarkDistillBesideJSON(b *testing.B) {
	d, bodies := notifications(b)
	var distilling, decoding time.Duration
	n := 0
	for b.Loop() {
		begin := time.Now()
		for _, body := range bodies {
			if _, err := d.Distill(body); err != nil {
				b.Fatal(err)
			}
		}
		middle := time.Now()
		for _, body := range bodies {
			var v any
			if err := json.Unmarshal(body, &v); err != nil {
				b.Fatal(err)
			}
		}
		decoding += time.Since(middle)
		distilling += middle.Sub(begin)
		n += len(bodies)
	}
	b.ReportMetric(decoding.Seconds()/distilling.Seconds(), "vs-json")
	b.ReportMetric(float64(n)/distilling.Seconds(), "notifications/s")
	b.ReportMetric(float64(n)*float64(meanSize(bodies))/1e6/distilling.Seconds(), "MB/s")
}

// BenchmarkDistillParallel is what the machine does with all its cores; the
// distiller shares nothing between goroutines.
func BenchmarkDistillParallel(b *testing.B) {
	d, bodies := notifications(b)
	b.SetBytes(meanSize(bodies))
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := d.Distill(bodies[i%len(bodies)]); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notifications/s")
}

// BenchmarkJSONDecodeAny is what encoding/json needs for the same bytes, and
// so the floor for anything that works on decoded maps.
func BenchmarkJSONDecodeAny(b *testing.B) {
	_, bodies := notifications(b)
	run(b, bodies, func(body []byte) error {
		var v any
		return json.Unmarshal(body, &v)
	})
}

func BenchmarkDistillMap(b *testing.B) {
	d, bodies := notifications(b)
	maps := make([]map[string]any, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal(body, &maps[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(meanSize(bodies))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := d.DistillMap(maps[i%len(maps)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkLoad(b *testing.B) {
	b.SetBytes(int64(len(novaDefinitions)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := distiller.Load("definitions.yaml", []byte(novaDefinitions), nil); err != nil {
			b.Fatal(err)
		}
	}
}

const novaDefinitions = `
- event_type: compute.instance.*
  traits: &instance
    user_id: {fields: payload.user_id}
    instance_id: {fields: [payload.instance_uuid, payload.instance_id]}
    host: {fields: publisher_id, plugin: {name: split, parameters: {segment: 1, max_split: 1}}}
    service: {fields: publisher_id, plugin: split}
    memory_mb: {type: int, fields: payload.memory_mb}
    disk_gb: {type: int, fields: payload.disk_gb}
    root_gb: {type: int, fields: payload.root_gb}
    ephemeral_gb: {type: int, fields: payload.ephemeral_gb}
    vcpus: {type: int, fields: payload.vcpus}
    flavor_id: {type: int, fields: [payload.image_meta.instance_type_flavor_id, payload.instance_type_id]}
    flavor: {fields: payload.instance_type}
    state: {fields: payload.state}
    description: {fields: payload.state_description}
    bandwidth_in: {fields: payload.bandwidth.public.bw_in}
    bandwidth_out: {fields: payload.bandwidth.public.bw_out}
    architecture: {fields: payload.image_meta.'org.openstack__1__architecture'}
    os_version: {fields: payload.image_meta.'org.openstack__1__os_version'}
    os_distro: {fields: payload.image_meta.'org.openstack__1__os_distro'}
    launched_at: {type: datetime, fields: payload.launched_at}
    deleted_at: {type: datetime, fields: [payload.deleted_at, payload.terminated_at]}
    display_name: {fields: payload.display_name}
- event_type: compute.instance.exists
  traits:
    <<: *instance
    audit_period_beginning: {type: datetime, fields: payload.audit_period_beginning}
    audit_period_ending: {type: datetime, fields: payload.audit_period_ending}
`

const novaNotification = `{"_context_auth_token": "e3b0c44298fc1c149afbf4c8996fb924", "_context_instance_lock_checked": false,
"_context_is_admin": true, "_context_project_id": "7104", "_context_project_name": "7104", "_context_quota_class": null,
"_context_read_deleted": "no", "_context_remote_address": null, "_context_request_id": "req-3a1f77d0-6f0e-4b4e-8d0a-0cf2b7b0d3a1",
"_context_roles": ["admin", "member", "reader"], "_context_service_catalog": [], "_context_tenant": "7104",
"_context_timestamp": "2026-03-01T12:00:00.250000", "_context_user": "u-17", "_context_user_id": "u-17", "_context_user_name": "alex",
"_unique_id": "1b7d7be8e8d64bb1b6b2a8a3e83f5f0a", "event_type": "compute.instance.exists", "message_id": "0b0a4d57-93ad-4e4c-8a28-cb2a4c3a5f30",
"payload": {"access_ip_v4": null, "access_ip_v6": null, "architecture": "x86_64", "audit_period_beginning": "2026-03-01 11:00:00",
"audit_period_ending": "2026-03-01 12:00:00", "availability_zone": "az1", "bandwidth": {"public": {"bw_in": 51204833, "bw_out": 993214},
"private": {"bw_in": 0, "bw_out": 0}}, "cell_name": "", "created_at": "2026-02-11 08:17:41+00:00", "deleted_at": "", "disk_gb": 80,
"display_name": "web-frontend-17", "ephemeral_gb": 0, "fixed_ips": [{"address": "10.4.7.19", "floating_ips": [], "label": "private",
"meta": {}, "type": "fixed", "version": 4, "vif_mac": "fa:16:3e:4b:1c:7f"}, {"address": "2001:db8:4:7::19", "floating_ips": [],
"label": "private", "meta": {}, "type": "fixed", "version": 6, "vif_mac": "fa:16:3e:4b:1c:7f"}], "host": "compute-0231", "hostname": "web-frontend-17",
"image_meta": {"base_image_ref": "7d3a9f1c-5a7e-4a86-9a0b-7e3f9f4f0c11", "cache_in_nova": "True", "container_format": "bare", "disk_format": "qcow2",
"image_type": "base", "min_disk": "80", "min_ram": "512", "org.openstack__1__architecture": "x64", "org.openstack__1__os_distro": "org.debian",
"org.openstack__1__os_version": "13", "os_distro": "debian", "os_type": "linux", "vm_mode": "hvm"},
"image_ref_url": "http://10.2.0.5:9292/images/7d3a9f1c-5a7e-4a86-9a0b-7e3f9f4f0c11", "instance_flavor_id": "6", "instance_id": "4f6a7c52-1b5d-4b2c-9d2c-95b7a2b0c9f4",
"instance_type": "8GB Standard", "instance_type_id": 6, "kernel_id": "", "launched_at": "2026-02-11T08:19:02.000000", "memory_mb": 8192,
"metadata": {"team": "storefront", "tier": "1", "backup": "nightly"}, "node": "compute-0231.example.net", "os_type": "linux", "progress": "", "ramdisk_id": "",
"reservation_id": "r-5m7u2c1k", "root_gb": 80, "state": "active", "state_description": "", "tenant_id": "7104", "terminated_at": "",
"user_id": "u-17", "vcpus": 4}, "priority": "INFO", "publisher_id": "compute.compute-0231", "timestamp": "2026-03-01 12:00:03.417551"}`
