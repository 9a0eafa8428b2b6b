import {
  ActionKindClassified,
  ApprovalGranted,
  ApprovalOpened,
  ApprovalVoted,
  BudgetAdjusted,
  BudgetDefined,
  EligibilityChanged,
  FreezeLifted,
  GrantRevoked,
  PersonLinked,
  PolicyPublished,
  PolicyRolledBack,
} from '@exequatur/contracts';
import type { ApprovalDemand, DataOf, EventDefinition } from '@exequatur/contracts';
import type { EventLog } from '../log/event-log.js';
import type { LogEvent } from '../log/log-event.js';
import { absent, must } from './finding.js';
import type { Finding } from './finding.js';

type Voted = LogEvent<DataOf<typeof ApprovalVoted>>;
type Granted = LogEvent<DataOf<typeof ApprovalGranted>>;

/** 11. N distinct natural persons of the right roles approved, none of them the requester or the agent's owner. */
export const separated = (log: EventLog): readonly Finding[] => {
  const votes = new Map(log.of(ApprovalVoted).map((vote) => [vote.id, vote]));
  const opened = log.indexed(ApprovalOpened, (data) => data.approval_id);
  const people = peopleOf(log);
  return [
    ...log.of(ApprovalVoted).flatMap((vote) => must(vote.actorType === 'person' && vote.actorId === vote.data.person, vote, 'a vote that is not cast by the person it names')),
    ...log.of(ApprovalGranted).flatMap((granted) => {
      const request = opened.get(granted.data.approval_id)?.[0];
      if (request === undefined) return [absent(granted, 'granted, and the request was never opened')];
      const cast = granted.data.vote_event_ids.map((id) => votes.get(id));
      if (!cast.every((vote): vote is Voted => vote !== undefined)) return [absent(granted, 'a vote it counts is not in the log')];
      return [...countedVotes(granted, cast), ...notTheRequester(granted, cast, request), ...quorum(granted, cast, request.data.demand), ...naturalPersons(granted, cast, people)];
    }),
  ];
};

const countedVotes = (granted: Granted, votes: readonly Voted[]): readonly Finding[] => {
  const voters = [...new Set(votes.map(({ data }) => data.person))].sort();
  const signed = new Set((granted.grant?.approvers ?? []).map(({ person, vote_event_id: vote }) => `${person} ${vote}`));
  return [
    ...must(votes.every(({ data }) => data.vote === 'approve' && data.approval_id === granted.data.approval_id), granted, 'a vote it counts is no approval of this request'),
    ...must(new Set(votes.map(({ id }) => id)).size === votes.length, granted, 'one vote is counted twice'),
    ...must([...granted.data.approver_ids].sort().join() === voters.join(), granted, 'the approvers it names are not those who voted'),
    ...must(signed.size === votes.length && votes.every(({ id, data }) => signed.has(`${data.person} ${id}`)), granted, 'the approvers in the signed grant are not those who voted'),
  ];
};

const notTheRequester = (granted: Granted, votes: readonly Voted[], { data }: LogEvent<DataOf<typeof ApprovalOpened>>): readonly Finding[] =>
  must(votes.every((vote) => vote.data.person !== data.agent && vote.data.person !== data.agent_owner), granted, 'the requester, or the owner of the agent, approved');

const quorum = (granted: Granted, votes: readonly Voted[], demand: ApprovalDemand): readonly Finding[] => {
  const persons = (of: readonly Voted[]): number => new Set(of.map(({ data }) => data.person)).size;
  return [
    ...demand.stages.flatMap((stage, index) => {
      const ofStage = votes.filter(({ data }) => data.stage === index && stage.roles.includes(data.role));
      return must(persons(ofStage) >= stage.quorum, granted, `stage ${index + 1} asks for ${stage.quorum}, and ${persons(ofStage)} approved in it`);
    }),
    ...must(!demand.distinct || persons(votes) === votes.length, granted, 'one person counts in more than one stage'),
  ];
};

interface KnownPeople {
  readonly roles: ReadonlyMap<string, ReadonlySet<string>>;
  readonly subjects: ReadonlyMap<string, ReadonlySet<string>>;
}

const peopleOf = (log: EventLog): KnownPeople => {
  const roles = new Map<string, Set<string>>();
  const subjects = new Map<string, Set<string>>();
  for (const { data } of [...log.of(PersonLinked), ...log.of(EligibilityChanged)]) roles.set(data.person, new Set([...(roles.get(data.person) ?? []), ...data.roles]));
  for (const { data } of log.of(PersonLinked)) subjects.set(data.person, new Set([...(subjects.get(data.person) ?? []), data.subject]));
  return { roles, subjects };
};

/** Two names with one subject are one person; a name the directory never linked is nobody. */
const naturalPersons = (granted: Granted, votes: readonly Voted[], { roles, subjects }: KnownPeople): readonly Finding[] => {
  const persons = [...new Set(votes.map(({ data }) => data.person))];
  const ofAll = persons.flatMap((person) => [...(subjects.get(person) ?? [])]);
  return [
    ...votes.flatMap(({ data }) => (roles.get(data.person)?.has(data.role) ?? false ? [] : [absent(granted, `the directory never gave ${data.person} the role ${data.role}`)])),
    ...must(new Set(ofAll).size === ofAll.length, granted, 'two of the approvers are the same natural person'),
  ];
};

/** What only people and the platform's own set-up may do. Grants of policy and the signer of each type are judged with the bytes. */
const NOT_FOR_AGENTS: readonly EventDefinition[] = [ApprovalVoted, ApprovalGranted, GrantRevoked, PolicyPublished, PolicyRolledBack, ActionKindClassified, BudgetDefined, BudgetAdjusted, FreezeLifted, PersonLinked, EligibilityChanged];

/** 12. No approval, policy, budget, role or unfreeze comes from an agent or the executor. */
export const agentKeys = (log: EventLog): readonly Finding[] =>
  NOT_FOR_AGENTS.flatMap((definition) => log.of(definition)).flatMap((event) => must(event.actorType !== 'agent' && !(event.actorType === 'service' && event.actorId === 'executor'), event, `${event.actorType} ${event.actorId} may not do this`));
