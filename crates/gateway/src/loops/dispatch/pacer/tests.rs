use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// What happens to a session.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Time passes, in milliseconds.
    Wait(u64),
    /// As many messages of a lane as may go begin to; at most so many.
    Send(Lane, u32),
    /// A send call ends.
    Finish(prop::sample::Index),
    /// The process dies, at any point of the send calls, and another goes on.
    Crash,
    /// WhatsApp refuses a stranger: so many milliseconds' pause.
    Pause(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![0_u64..2_000, 0_u64..70_000, 0_u64..20_000_000, Just(60_000), Just(86_400_000)];
    let lane = prop_oneof![Just(Lane::Known), Just(Lane::FirstContact)];
    prop_oneof![
        6 => wait.prop_map(Step::Wait),
        8 => (lane, 1_u32..40).prop_map(|(lane, most)| Step::Send(lane, most)),
        6 => any::<prop::sample::Index>().prop_map(Step::Finish),
        1 => Just(Step::Crash),
        1 => (0_u64..200_000).prop_map(Step::Pause),
    ]
}

fn limits() -> impl Strategy<Value = Pacing> {
    (0_u32..8, 0_u32..20, 0_u32..4, 0_u32..8, prop_oneof![Just(0_u32), 0_u32..5_000]).prop_map(
        |(per_minute, per_day, first_contact_per_minute, first_contact_per_day, jitter_ms)| Pacing {
            per_minute,
            per_day,
            first_contact_per_minute,
            first_contact_per_day,
            jitter_ms,
            first_contact_pause_secs: 60,
        },
    )
}

struct World {
    limits: Pacing,
    pacer: Pacer,
    now: Timestamp,
    /// Begun, by the time of their beginning.
    calls: Vec<(Timestamp, Lane)>,
    /// When each message left, which is some moment of its call.
    left: Vec<(Timestamp, Lane)>,
    /// What the database has.
    spent: Vec<Spent>,
    chance: u16,
}

impl World {
    fn new(limits: Pacing) -> Self {
        let pacer = Pacer::new(limits, &[], START);
        Self { limits, pacer, now: START, calls: Vec::new(), left: Vec::new(), spent: Vec::new(), chance: 7 }
    }

    fn chance(&mut self) -> u16 {
        self.chance = self.chance.wrapping_mul(25_173).wrapping_add(13_849);
        self.chance
    }

    fn take(&mut self, step: Step) {
        match step {
            // A send call ends in its time, and the gateway notices.
            Step::Wait(millis) => {
                let until = self.now.plus(Duration::from_millis(millis));
                while let Some(index) = self.calls.iter().position(|(begun, _)| begun.plus(UNSURE) < until) {
                    self.now = self.now.max(self.calls[index].0.plus(UNSURE));
                    self.finish(index);
                }
                self.now = until;
            }
            Step::Send(lane, most) => {
                for _ in 0..self.pacer.room(lane, self.now).min(most) {
                    let chance = self.chance();
                    if self.pacer.take(lane, self.now, chance) {
                        self.calls.push((self.now, lane));
                        self.spend(lane);
                    }
                }
            }
            Step::Finish(index) if !self.calls.is_empty() => self.finish(index.index(self.calls.len())),
            Step::Finish(_) => {}
            Step::Crash => {
                for (begun, lane) in std::mem::take(&mut self.calls) {
                    self.leave(begun, lane);
                }
                self.pacer = Pacer::new(self.limits, &self.spent, self.now);
            }
            Step::Pause(millis) => self.pacer.pause_until(Some(self.now.plus(Duration::from_millis(millis)))),
        }
    }

    fn spend(&mut self, lane: Lane) {
        let minute = |at: Timestamp| at.as_millis().div_euclid(60_000);
        let count = Count::of(lane);
        match self.spent.last_mut().filter(|last| minute(last.last_at) == minute(self.now)) {
            Some(last) => {
                last.last_at = self.now;
                last.sent += 1;
                last.first_contacts += count.first;
            }
            None => self.spent.push(Spent { last_at: self.now, sent: 1, first_contacts: count.first }),
        }
    }

    fn finish(&mut self, index: usize) {
        let (begun, lane) = self.calls.swap_remove(index);
        self.leave(begun, lane);
        self.pacer.done(lane, self.now);
    }

    fn leave(&mut self, begun: Timestamp, lane: Lane) {
        let lasted = self.now.since(begun);
        let at = begun.plus(lasted.mul_f64(f64::from(self.chance()) / f64::from(u16::MAX)));
        self.left.push((at, lane));
    }

    fn check(&self) {
        let mut all: Vec<Timestamp> = self.left.iter().map(|(at, _)| *at).collect();
        let mut first: Vec<Timestamp> =
            self.left.iter().filter(|(_, lane)| *lane == Lane::FirstContact).map(|(at, _)| *at).collect();
        all.sort_unstable();
        first.sort_unstable();
        let limits = self.limits;
        at_most(&all, limits.per_minute, MINUTE);
        at_most(&all, limits.per_day, DAY);
        at_most(&first, limits.first_contact_per_minute, MINUTE);
        at_most(&first, limits.first_contact_per_day, DAY);
    }
}

/// No window that begins with one of the times holds more than `limit` of them; so no window at all does.
fn at_most(times: &[Timestamp], limit: u32, window: Duration) {
    if limit == 0 {
        return;
    }
    for (index, begin) in times.iter().enumerate() {
        let within = times[index..].iter().take_while(|at| at.since(*begin) <= window).count();
        assert!(within <= limit as usize, "{within} of {limit} in {window:?}: {:?}", &times[index..index + within]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_rolling_window_ever_holds_more_than_its_limit(
        limits in limits(),
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut world = World::new(limits);
        for step in steps {
            world.take(step);
        }
        world.check();
    }

    #[test]
    fn no_lane_ever_starves(limits in limits(), steps in prop::collection::vec(step(), 1..100)) {
        let mut world = World::new(limits);
        for step in steps {
            world.take(step);
        }
        while !world.calls.is_empty() {
            world.finish(0);
        }
        for lane in [Lane::Known, Lane::FirstContact, Lane::Known, Lane::FirstContact] {
            let at = world.pacer.free_at(lane, world.now).expect("nothing is in a send call");
            let longest = DAY + MINUTE + SLACK + Duration::from_secs(200);
            prop_assert!(at.since(world.now) <= longest, "{:?}", at.since(world.now));
            world.now = world.now.max(at);
            let chance = world.chance();
            prop_assert!(world.pacer.take(lane, world.now, chance), "{lane:?} was to go");
            world.pacer.done(lane, world.now);
        }
    }

    #[test]
    fn the_pacer_never_says_later_than_is_true(limits in limits(), steps in prop::collection::vec(step(), 1..100)) {
        let mut world = World::new(limits);
        for step in steps {
            world.take(step);
            for lane in [Lane::Known, Lane::FirstContact] {
                let room = world.pacer.room(lane, world.now);
                let free_at = world.pacer.free_at(lane, world.now);
                prop_assert_eq!(room > 0, free_at.is_some_and(|at| at <= world.now), "{:?} {:?}", room, free_at);
            }
        }
    }
}

#[test]
fn a_pause_holds_up_first_contacts_alone() {
    let mut pacer = Pacer::new(Pacing::GENTLE, &[], START);
    let until = START.plus(Duration::from_hours(1));
    pacer.pause_until(Some(until));
    assert_eq!(pacer.room(Lane::FirstContact, START), 0);
    assert_eq!(pacer.free_at(Lane::FirstContact, START), Some(until));
    assert_eq!(pacer.room(Lane::Known, START), 1);
    assert_eq!(pacer.room(Lane::FirstContact, until), 1);
}

#[test]
fn between_two_messages_lies_a_quarter_to_the_whole_of_the_jitter() {
    for (chance, millis) in [(0, 500), (u16::MAX, 2000)] {
        let mut pacer = Pacer::new(Pacing::GENTLE, &[], START);
        assert!(pacer.take(Lane::Known, START, chance));
        pacer.done(Lane::Known, START);
        assert_eq!(pacer.free_at(Lane::Known, START), Some(START.plus(Duration::from_millis(millis))));
    }
}

#[test]
fn what_it_remembers_stays_small() {
    let mut pacer = Pacer::new(Pacing { per_day: u32::MAX, ..Pacing::OFF }, &[], START);
    let mut now = START;
    for _ in 0..200_000 {
        now = now.plus(Duration::from_secs(1));
        assert!(pacer.take(Lane::Known, now, 0));
        pacer.done(Lane::Known, now);
    }
    assert!(pacer.minute.steps.len() <= 63 && pacer.day.steps.len() <= 1443);
}
