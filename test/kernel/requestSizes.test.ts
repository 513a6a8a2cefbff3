/**
 * Every list, text and number of every request, at the largest that is accepted and at the next one: the first runs, or is refused for what it is about,
 * and the second is refused with the reason and by its field. The largest ones are found and not listed. Those of a sandbox's specification have tests of their own.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { ResponseError } from 'vscode-jsonrpc/node';
import type { ErrorData } from '../../helper/protocol/errors.ts';
import { METHODS } from '../../helper/protocol/requests.ts';
import { MAX_MESSAGE_BYTES } from '../../helper/protocol/transport.ts';
import { paramsOf } from '../fixtures/everyRequest.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { type Specimen, startSleeper } from '../fixtures/zoo.ts';

type Place = readonly (string | number)[];

/** What is no larger than these is bounded by the message that it comes in. */
const MOST = { list: 1 << 17, text: MAX_MESSAGE_BYTES >> 2, number: Number.MAX_SAFE_INTEGER };
const NAME = `sizes-${randomBytes(4).toString('hex')}`;
const namespace = { kind: 'net', dev: 4, ino: 1 };
const overlay = { mountNamespace: { kind: 'mnt' as const, dev: 4, ino: 1 }, mountId: 1, device: '0:1' };
const cgroup = { hierarchy: 'unified', path: '/no/such', ino: 1 };

/** Beside what each request needs: all that it may have, so that each of it is tried. */
const MORE: Record<string, object> = {
  'host/watch': { parts: ['processes'] },
  'processes/list': { since: 1 },
  'containers/list': { since: 1 },
  'namespaces/list': { since: 1, members: false },
  'namespaces/inspect': { namespace },
  'network/inspect': { namespace },
  'programs/run': {
    kinds: ['uts'],
    environment: { A: 'b' },
    directory: '/',
    stdin: 'eA==',
    timeoutMillis: 1000,
    outputLimitBytes: 10,
  },
  'programs/explain': { environment: { A: 'b' }, directory: '/' },
  'terminals/open': { environment: { A: 'b' }, directory: '/' },
  'cgroups/subscribe': { cgroups: [cgroup], intervalMillis: 1000 },
  'layers/changes': { limit: 1, after: '/' },
  'layers/readFile': { offset: 0, length: 1 },
  'layers/readDirectory': { limit: 1, after: 'a' },
  'layers/watch': { directories: [{ overlay, layer: 0, path: '/', recursive: false }] },
};

describe('of every request', () => {
  let helper: RunningHelper;
  let sleeper: Specimen;
  before(async () => {
    sleeper = await startSleeper([]);
    helper = await startHelper();
  });
  after(async () => {
    await helper?.stop();
    await sleeper?.stop();
  });

  /** What a request is about is of one shape in all of them: each place of that is tried once. */
  const tried = new Set<string>();
  function isNew(place: Place): boolean {
    const [first] = place;
    if (first === 'spec' || tried.has(place.join())) return false;
    if (['process', 'namespace', 'overlay', 'cgroup', 'sandbox'].includes(String(first))) tried.add(place.join());
    return true;
  }

  /** The refusal, if there is one. */
  async function refusalOf(method: string, params: object): Promise<ResponseError<ErrorData> | undefined> {
    try {
      await helper.connection.sendRequest(method, params);
      return undefined;
    } catch (error) {
      assert.ok(error instanceof ResponseError, String(error));
      assert.doesNotMatch(error.message, /unexpectedly/, `${method} ${JSON.stringify(params).slice(0, 200)}`);
      return error as ResponseError<ErrorData>;
    }
  }

  for (const method of METHODS) {
    test(`${method}: what is too large is refused by its field, and the largest is not`, async (t) => {
      const given = paramsOf({ pid: sleeper.pid, overlay, cgroup, sandbox: NAME })[method];
      // A field that is not of the request refuses all: only those that it has are added.
      const params: object = {};
      Object.assign(params, given);
      for (const [key, value] of Object.entries(MORE[method] ?? {})) {
        const refused = await refusalOf(method, { ...given, [key]: value });
        if (refused?.data?.field?.[0] !== key) Object.assign(params, { [key]: value });
        else t.diagnostic(`${method} has no ${key}`);
      }
      for (const place of placesIn(params)) if (isNew(place)) await tryPlace(method, params, place);
    });
  }

  async function tryPlace(method: string, params: object, place: Place): Promise<void> {
    const value = place.reduce<unknown>((one, key) => (one as Record<string | number, unknown>)[key], params);
    const kind = Array.isArray(value) ? 'list' : typeof value === 'string' ? 'text' : 'number';
    if (kind === 'number' ? typeof value !== 'number' : (value as string | unknown[]).length === 0) return;
    const at = (size: number) => replaced(params, place, sized(value, size));
    /** Whether it is refused because of what is there. */
    const isRefused = async (size: number): Promise<boolean> => {
      const refusal = await refusalOf(method, at(size) as object);
      if (refusal?.data?.reason !== 'invalid') return false;
      const { field = [] } = refusal.data;
      return (
        place.every((key, index) => field[index] === undefined || String(field[index]) === String(key)) && field.length > 0
      );
    };
    const from = kind === 'number' ? Math.max(1, value as number) : (value as string | unknown[]).length;
    // What a text must be like, others say: one that cannot be longer at all is a choice of a few.
    if (await isRefused(from)) return;
    let [accepted, next] = [from, from * 2];
    while (next <= MOST[kind] && !(await isRefused(next))) [accepted, next] = [next, next * 2];
    if (next > MOST[kind]) return;
    while (next - accepted > 1) {
      const middle = Math.floor((accepted + next) / 2);
      if (await isRefused(middle)) next = middle;
      else accepted = middle;
    }
    const refusal = await refusalOf(method, at(next) as object);
    assert.equal(refusal?.data?.reason, 'invalid', `${method} ${place.join('.')}: ${next}`);
    assert.ok(refusal.message.length < 1000, 'the reason is for people');
  }
});

/** Every place in a value, also in what lies in it. */
function placesIn(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [[key], ...placesIn(item).map((below) => [key, ...below])]);
}

/** The same of that size: of a list and a text by what is in it, over and over. */
function sized(value: unknown, size: number): unknown {
  if (typeof value === 'string') return value.padEnd(size, value).slice(0, size);
  if (Array.isArray(value)) return Array.from({ length: size }, (_, index) => value[index % value.length]);
  return size;
}

/** The same with something else in one place. */
function replaced(value: unknown, [key, ...below]: Place, by: unknown): unknown {
  if (key === undefined) return by;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...(value as object) };
  return Object.assign(copy, { [key]: replaced((value as Record<string | number, unknown>)[key], below, by) });
}
