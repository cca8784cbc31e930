package broker

import (
	"strconv"

	"github.com/gomlq/mlq/internal/timetable"
	"github.com/gomlq/mlq/task"
)

// checkSchedules asks that schedules can be read, that nothing is kept of others, and
// that none is newer than the version that schedulers look at.
func (s *stored) checkSchedules() {
	version, err := strconv.ParseUint(s.cronv, 10, 64)
	if _, ok := s.has("cronv", ""); ok && err != nil {
		s.brokenf(RuleForm, "cronv", task.ID{}, "%+q is no number", s.cronv)
	}
	for name, v := range s.hashes["cron"] {
		r, err := decodeSchedule(name, v, s.hashes["fired"][name])
		if err == nil {
			_, err = timetable.New(r.Schedule)
		}
		if err != nil {
			s.brokenf(RuleSchedule, "cron", task.ID{}, "%v", err)
		}
		if r.Revision > version {
			s.brokenf(RuleSchedule, "cron", task.ID{}, "schedule %q has revision %d, the latest is %d", name, r.Revision, version)
		}
	}
	for name := range s.hashes["fired"] {
		if _, ok := s.hashes["cron"][name]; !ok {
			s.brokenf(RuleSchedule, "fired", task.ID{}, "%+q is no schedule", name)
		}
	}
}
