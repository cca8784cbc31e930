package broker

import "github.com/gomlq/mlq/task"

// takeData takes what a key of stored data says: generation and info.
func (s *stored) takeData(key string, items []any) {
	if len(items) != 2 || items[0] == nil && items[1] == nil {
		return // it has gone meanwhile
	}
	h, ok := headOf(asText(items[0]), asText(items[1]))
	if !ok {
		s.brokenf(RuleForm, "data:"+key, task.ID{}, "says nothing of data that could be read")
		return
	}
	s.data[key] = h
}

// checkData asks that stored data has its chunks, for as long as it has a key, and that
// no others stay.
func (s *stored) checkData() {
	named := map[string]bool{}
	for key, h := range s.data {
		if h.chunks == 0 {
			continue
		}
		named[h.generation] = true
		head, chunks := s.keys["data:"][key], s.keys["blob:"][h.generation]
		switch {
		case chunks.typ == "":
			s.brokenf(RuleData, "data:"+key, task.ID{}, "has %d chunks, but none is there", h.chunks)
		case chunks.ttl >= 0 && (head.ttl < 0 || head.ttl > chunks.ttl):
			s.brokenf(RuleExpiry, "blob:"+h.generation, task.ID{}, "expires in %v, before the data that it belongs to", chunks.ttl)
		}
	}
	for generation, info := range s.keys["blob:"] {
		if !named[generation] && info.ttl < 0 {
			s.brokenf(RuleData, "blob:"+generation, task.ID{}, "never expires, and belongs to no data")
		}
	}
}
