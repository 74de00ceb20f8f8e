package atompub

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
)

// cufEvent is a usage event of Rackspace's Cloud Usage Format, the attributes in
// the original's order.
type cufEvent struct {
	XMLName      xml.Name   `xml:"event"`
	Namespace    string     `xml:"xmlns,attr"`
	Nova         string     `xml:"xmlns:nova,attr"`
	Version      string     `xml:"version,attr"`
	ID           string     `xml:"id,attr"`
	ResourceID   string     `xml:"resourceId,attr"`
	ResourceName string     `xml:"resourceName,attr"`
	DataCenter   string     `xml:"dataCenter,attr"`
	Region       string     `xml:"region,attr"`
	TenantID     string     `xml:"tenantId,attr"`
	StartTime    string     `xml:"startTime,attr"`
	EndTime      string     `xml:"endTime,attr"`
	Type         string     `xml:"type,attr"`
	Product      cufProduct `xml:"nova:product"`
}

type cufProduct struct {
	Version            string `xml:"version,attr"`
	ServiceCode        string `xml:"serviceCode,attr"`
	ResourceType       string `xml:"resourceType,attr"`
	FlavorID           string `xml:"flavorId,attr"`
	FlavorName         string `xml:"flavorName,attr"`
	Status             string `xml:"status,attr"`
	OSLicenseType      string `xml:"osLicenseType,attr"`
	ApplicationLicense string `xml:"applicationLicense,attr,omitempty"`
	BandwidthIn        string `xml:"bandwidthIn,attr"`
	BandwidthOut       string `xml:"bandwidthOut,attr"`
}

// cufNames are what extra_info can override, and computedNames what it cannot.
var (
	cufNames = []string{
		"message_id", "instance_id", "display_name", "data_center", "region", "tenant_id", "instance_flavor_id",
		"instance_flavor", "bandwidth_in", "bandwidth_out",
	}
	computedNames = []string{"start_time", "end_time", "status", "options"}
)

// cufOf shows an event as a usage event. What neither the event nor extra has
// is empty. An error means that a trait from which something is computed makes
// no sense.
func cufOf(e winchester.Event, extra map[string]any) (*cufEvent, error) {
	show := func(name string) string {
		if v, given := extra[name]; given {
			return plain(v)
		}
		if name == "message_id" {
			return e.MessageID
		}
		if v, given := e.Traits[name]; given {
			return plain(v)
		}
		return ""
	}
	start, end, err := usedFromTo(e.Traits)
	if err != nil {
		return nil, err
	}
	os, app, err := licenses(e.Traits["rax_options"])
	if err != nil {
		return nil, err
	}
	return &cufEvent{
		Namespace: "http://docs.rackspace.com/core/event", Nova: "http://docs.rackspace.com/event/nova", Version: "1",
		ID: show("message_id"), ResourceID: show("instance_id"), ResourceName: show("display_name"),
		DataCenter: show("data_center"), Region: show("region"), TenantID: show("tenant_id"),
		StartTime: cufTime(start), EndTime: cufTime(end), Type: "USAGE",
		Product: cufProduct{
			Version: "1", ServiceCode: "CloudServersOpenStack", ResourceType: "SERVER",
			FlavorID: show("instance_flavor_id"), FlavorName: show("instance_flavor"), Status: status(e.Traits),
			OSLicenseType: os, ApplicationLicense: app,
			BandwidthIn: show("bandwidth_in"), BandwidthOut: show("bandwidth_out"),
		},
	}, nil
}

// usedFromTo returns the part of the audit period in which the instance was
// there: from its launch to its end. A time that is missing has no say.
func usedFromTo(traits winchester.Traits) (start, end time.Time, err error) {
	var launched, begin, ended, ending time.Time
	for name, to := range map[string]*time.Time{
		"launched_at": &launched, "audit_period_beginning": &begin, "audit_period_ending": &ending,
	} {
		if *to, err = timeOf(traits, name); err != nil {
			return start, end, err
		}
	}
	for _, name := range []string{"terminated_at", "deleted_at"} {
		if ended, err = timeOf(traits, name); err != nil {
			return start, end, err
		}
		if !ended.IsZero() {
			break
		}
	}
	if start = launched; start.Before(begin) {
		start = begin
	}
	if end = ending; !ended.IsZero() && (end.IsZero() || ended.Before(end)) {
		end = ended
	}
	if !end.IsZero() && !begin.IsZero() && start.After(end) { // launched after the period, or after its end
		start = begin
	}
	return start, end, nil
}

// timeOf returns the zero time for a trait that is missing, null or empty.
func timeOf(traits winchester.Traits, name string) (time.Time, error) {
	switch v := traits[name].(type) {
	case time.Time:
		return v, nil
	case nil:
		return time.Time{}, nil
	case string:
		if v == "" {
			return time.Time{}, nil
		}
	}
	return time.Time{}, fmt.Errorf("trait %s: expected a time, found %q", name, plain(traits[name]))
}

func cufTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

var statuses = map[string]string{
	"building": "BUILD", "stopped": "SHUTOFF", "paused": "PAUSED", "suspended": "SUSPENDED", "rescued": "RESCUE",
	"error": "ERROR", "deleted": "DELETED", "soft-delete": "SOFT_DELETED", "shelved": "SHELVED",
	"shelved_offloaded": "SHELVED_OFFLOADED",
}

// activeStatuses are those of an active instance with which something is being
// done.
var activeStatuses = map[string]string{
	"rebooting": "REBOOT", "rebooting_hard": "HARD_REBOOT", "updating_password": "PASSWORD", "rebuilding": "REBUILD",
	"rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD", "migrating": "MIGRATING",
	"resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE", "resize_finish": "RESIZE",
}

const unknownStatus = "UNKNOWN"

// status is Nova's state in the terms of its API.
func status(traits winchester.Traits) string {
	state, _ := traits.String("state")
	doing, _ := traits.String("state_description")
	switch {
	case state == "active" && activeStatuses[doing] != "":
		return activeStatuses[doing]
	case state == "active":
		return "ACTIVE"
	case state == "resized" && doing == "resize_reverting":
		return "REVERT_RESIZE"
	case state == "resized":
		return "VERIFY_RESIZE"
	case statuses[state] != "":
		return statuses[state]
	}
	return unknownStatus
}

// licenses reads the bits of rax_options: 1 RHEL, 4 Windows, 64 Vyatta, of which
// the last counts, and 8 MSSQL, 32 MSSQL Web. None where the trait is missing.
func licenses(options any) (os, app string, err error) {
	bits, err := optionBits(options)
	if err != nil {
		return "", "", err
	}
	os = "LINUX"
	for _, license := range []struct {
		bit  int64
		name string
	}{{1, "RHEL"}, {4, "WINDOWS"}, {64, "VYATTA"}} {
		if bits&license.bit != 0 {
			os = license.name
		}
	}
	if bits&8 != 0 {
		app = "MSSQL"
	}
	if bits&32 != 0 {
		app = "MSSQL_WEB"
	}
	return os, app, nil
}

func optionBits(options any) (int64, error) {
	switch v := options.(type) {
	case nil:
		return 0, nil
	case int64:
		return v, nil
	case int:
		return int64(v), nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case float64:
		if v >= math.MinInt64 && v < math.MaxInt64 {
			return int64(v), nil
		}
	case json.Number:
		return optionBits(v.String())
	case string:
		text := strings.TrimSpace(v)
		if text == "" {
			return 0, nil
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("trait rax_options: expected an integer, found %q", plain(options))
}
