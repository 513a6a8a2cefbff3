/**
 * Every list, text and number of every request, at the largest that is accepted and at the next one: the first runs, or is refused for what it is about,
 * and the second is refused with the reason and by its field. The largest ones are found and not listed. Those of a sandbox's specification have tests of their own.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { ResponseError } from 'vscode-jsonrpc/node';
import type { ErrorData } from '../../helper/protocol/errors.ts';
import { METHODS, REQUESTS } from '../../helper/protocol/requests.ts';
import type { SandboxSpec } from '../../helper/protocol/sandboxSpec.ts';
import { MAX_MESSAGE_BYTES } from '../../helper/protocol/transport.ts';
import { paramsOf } from '../fixtures/everyRequest.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { everyPlace } from '../fixtures/schemaPlaces.ts';
import { type Specimen, startSleeper } from '../fixtures/zoo.ts';

type Place = readonly (string | number)[];

/** What is no larger than these is bounded by the message that it comes in. */
const MOST = { list: 1 << 17, text: MAX_MESSAGE_BYTES >> 2, number: Number.MAX_SAFE_INTEGER };
const NAME = `sizes-${randomBytes(4).toString('hex')}`;
/** A specification that is refused for what it names, so that none of these makes a sandbox. */
const NOTHING: SandboxSpec = { root: { type: 'directory', path: '/no/such/directory' } };
const overlay = { mountNamespace: { kind: 'mnt' as const, dev: 4, ino: 1 }, mountId: 1, device: '0:1' };
const cgroup = { hierarchy: 'unified', path: '/no/such', ino: 1 };

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
    if (['process', 'namespace', 'overlay', 'cgroup'].includes(String(first))) tried.add(place.join());
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

  const seen = new Set<unknown>();
  for (const method of METHODS) {
    test(`${method}: what is too large is refused by its field, and the largest is not`, async () => {
      const given = paramsOf({ pid: sleeper.pid, overlay, cgroup, sandbox: NAME })[method];
      const params = 'spec' in given ? { ...given, spec: NOTHING } : given;
      const own = placesIn(params).map((place) => ({ value: params as unknown, place }));
      for (const { value, place } of [...own, ...everyPlace(REQUESTS[method].params, params, seen)])
        if (isNew(place)) await tryPlace(method, value, place);
    });
  }

  async function tryPlace(method: string, params: unknown, place: Place): Promise<void> {
    const value = place.reduce<unknown>((one, key) => (one as Record<string | number, unknown>)[key], params);
    const kind = Array.isArray(value) ? 'list' : typeof value === 'string' ? 'text' : 'number';
    if (kind === 'number' ? typeof value !== 'number' : (value as string | unknown[]).length === 0) return;
    const refusalAt = (size: number) => refusalOf(method, replaced(params, place, sized(value, size)) as object);
    const isRefused = async (size: number) => isAbout(await refusalAt(size), place);
    const from = kind === 'number' ? Math.max(1, value as number) : (value as string | unknown[]).length;
    // What a text must be like, others say: one that cannot be longer at all is a choice of a few.
    if (await isRefused(from)) return;
    const least = await leastRefused(from, MOST[kind], isRefused);
    if (least === undefined) return;
    const refusal = await refusalAt(least);
    assert.equal(refusal?.data?.reason, 'invalid', `${method} ${place.join('.')}: ${least}`);
    assert.ok(refusal.message.length < 1000, 'the reason is for people');
  }
});

/** Whether something is refused because of what is in that place. */
function isAbout(refusal: ResponseError<ErrorData> | undefined, place: Place): boolean {
  if (refusal?.data?.reason !== 'invalid') return false;
  const { field = [] } = refusal.data;
  return place.every((key, index) => field[index] === undefined || String(field[index]) === String(key)) && field.length > 0;
}

/** The size next to the largest that is accepted; undefined when doubling one that is leads beyond `most` first. */
async function leastRefused(
  from: number,
  most: number,
  isRefused: (size: number) => Promise<boolean>,
): Promise<number | undefined> {
  let [accepted, refused] = [from, from * 2];
  while (refused <= most && !(await isRefused(refused))) [accepted, refused] = [refused, refused * 2];
  if (refused > most) return undefined;
  while (refused - accepted > 1) {
    const middle = Math.floor((accepted + refused) / 2);
    if (await isRefused(middle)) refused = middle;
    else accepted = middle;
  }
  return refused;
}

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
