package distiller

import "strings"

// Kind is what a definition makes: for tools that check other files against
// definitions.
type Kind struct {
	// EventTypes are the patterns of the event types that its events have: those
	// of the definition, or what it renames to.
	EventTypes []string
	// Traits are the names and types of the traits that its events may have, the
	// default ones of all formats among them.
	Traits map[string]Type
}

// Kinds tells what the definitions make, in the order of the files.
func (d *Definitions) Kinds() []Kind {
	out := make([]Kind, len(d.list))
	for i, def := range d.list {
		out[i] = Kind{def.eventTypes(), def.defaults.types()}
		for _, t := range def.traits {
			out[i].Traits[t.name] = t.typ
		}
	}
	return out
}

// DefaultTraits are the traits that notifications of any format have without a
// definition that says so.
func DefaultTraits() map[string]Type { return newDefinitions().defaults.types() }

func (d *definition) eventTypes() []string {
	if d.becomes.to != "" {
		// What stands around the * is plain text, and may look like a wildcard.
		return []string{strings.NewReplacer("?", "[?]", "[", "[[]").Replace(d.becomes.to)}
	}
	out := d.types.Included()
	for _, not := range d.types.Excluded() {
		out = append(out, "!"+not)
	}
	return out
}

func (f formatTraits) types() map[string]Type {
	out := map[string]Type{}
	for _, traits := range f {
		for _, t := range traits {
			out[t.name] = t.typ
		}
	}
	return out
}
