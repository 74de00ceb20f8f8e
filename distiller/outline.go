package distiller

// outline is the tree of all names that the paths of a Distiller lead along.
// A notification is compared with it once, member by member; after that,
// looking up a path is reading one slot, however many paths there are and
// however large the notification is.
type outline struct {
	places []place
}

// place is a name with a way to it. Its number is its slot.
type place struct {
	branches table
}

// Places of what every notification is asked for. The root is the first.
const (
	placeRoot int32 = iota
	placeEventType
	placeMessageID
	placeTimestamp
	placeOsloVersion
	placeOsloMessage

	placePayload
	placePayloadTypeURI

	placeSpecVersion
	placeID
	placeSource
	placeType
	placeTime
	placeSubject
	placeContentType
	placeDataSchema
	placeData
	placeDataBase64

	placeTypeURI
	placeEventTime
	placeAction
	placeCADFEventType
	placeOutcome

	placeDetailType
	placeDetail
)

// fixedPlaces are the ways to the places above, in that order.
var fixedPlaces = [][]string{
	{"event_type"}, {"message_id"}, {"timestamp"}, {"oslo.version"}, {"oslo.message"},
	{payloadKey}, {payloadKey, "typeURI"},
	{"specversion"}, {"id"}, {"source"}, {"type"}, {"time"}, {"subject"}, {"datacontenttype"}, {"dataschema"}, {"data"}, {"data_base64"},
	{"typeURI"}, {"eventTime"}, {"action"}, {"eventType"}, {"outcome"},
	{"detail-type"}, {"detail"},
}

func newOutline() *outline {
	o := &outline{places: make([]place, 1)}
	for _, names := range fixedPlaces {
		o.place(names...)
	}
	return o
}

// place returns the place of a way from the root.
func (o *outline) place(names ...string) int32 {
	at := placeRoot
	for _, name := range names {
		next := o.places[at].branches.find([]byte(name))
		if next == 0 {
			next = int32(len(o.places))
			o.places[at].branches.add(branch{name, next})
			o.places = append(o.places, place{})
		}
		at = next
	}
	return at
}

// locate finds what the document has of the outline. The slots of what it does
// not have are 0.
func (o *outline) locate(d *document, slots []ref) []ref {
	if cap(slots) < len(o.places) {
		slots = make([]ref, len(o.places))
	}
	slots = slots[:len(o.places)]
	clear(slots)
	slots[placeRoot] = root
	o.descend(d, root, placeRoot, slots)
	return slots
}

func (o *outline) descend(d *document, v ref, at int32, slots []ref) {
	branches, wrapper := &o.places[at].branches, ref(0)
	for key, value := range d.members(v) {
		name := d.bytes(key)
		if isWrapper(name) {
			wrapper = d.wrapper(wrapper, key)
		}
		to := branches.find(name)
		if to == 0 || slots[to] != 0 { // where a key comes twice, the first counts
			continue
		}
		slots[to] = value
		if d.form(value) == formObject && o.places[to].branches.n > 0 {
			o.descend(d, value, to, slots)
		}
	}
	if wrapper != 0 && v != root { // last: what the object has itself counts first
		o.descend(d, wrapper+1, at, slots)
	}
}

// locatePayload lets an object stand for the payload that it is not in.
func (o *outline) locatePayload(d *document, v ref, slots []ref) {
	slots[placePayload] = v
	o.descend(d, v, placePayload, slots)
}

// table finds branches by name. It is a hash table with little in it: nearly
// all keys of a notification are asked for and are not there, which it mostly
// tells without comparing texts.
type table struct {
	cells []branch // a power of two
	n     int
}

type branch struct {
	name string
	to   int32 // 0 in an empty cell
}

func (t *table) add(b branch) {
	if t.n++; 4*t.n > len(t.cells) {
		old := t.cells
		t.cells = make([]branch, max(8, 2*len(old)))
		for _, b := range old {
			if b.to != 0 {
				t.put(b)
			}
		}
	}
	t.put(b)
}

func (t *table) put(b branch) {
	i := hash([]byte(b.name)) & uint32(len(t.cells)-1)
	for t.cells[i].to != 0 {
		i = (i + 1) & uint32(len(t.cells)-1)
	}
	t.cells[i] = b
}

func (t *table) find(name []byte) int32 {
	if t.n == 0 {
		return 0
	}
	i := hash(name) & uint32(len(t.cells)-1)
	for ; t.cells[i].to != 0; i = (i + 1) & uint32(len(t.cells)-1) {
		if t.cells[i].name == string(name) {
			return t.cells[i].to
		}
	}
	return 0
}

// hash looks at the length and three bytes: names of one object seldom have
// all of these in common, and where they do the texts are compared.
func hash(name []byte) uint32 {
	n := uint32(len(name))
	if n == 0 {
		return 0
	}
	h := n<<24 ^ uint32(name[n-1])<<16 ^ uint32(name[n/2])<<8 ^ uint32(name[0])
	h *= 0x9E3779B1
	return h >> 16
}
