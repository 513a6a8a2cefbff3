/** The pair of interfaces of a sandbox with a user namespace, made by the helper while the sandbox waits: its end goes with its net namespace. */

import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, isSystemError, reasonOf } from '../../failure.ts';
import { close } from '../../kernel/files.ts';
import { errnoName } from '../../kernel/libc.ts';
import { NetlinkError, openNetlink } from '../../kernel/netlink.ts';
import { NETLINK_ROUTE } from '../../kernel/numbers.ts';
import { makeVethPair, type OwnAddress, setUpInterface } from '../../kernel/vethPair.ts';
import { append } from '../../lists.ts';
import { said } from '../../saying.ts';
import { bytesOf6 } from '../specification/ipv6.ts';
import { advertisementsOf, bytesOf, HOST_SETTINGS, type VethPlan } from './sandboxNetwork.ts';

/** `pid` waits in the net namespace of the sandbox. Throws a `Failure`. */
export function makeInterfaces(plan: VethPlan, pid: number): undefined {
  const { inside, outside } = plan;
  const opened: number[] = [];
  try {
    append(opened, openNetlink(undefined, [NETLINK_ROUTE]));
    const namespace = fs.openSync(`/proc/${pid}/ns/net`, 'r');
    opened.push(namespace);
    makeVethPair(opened[0]!, outside, inside, namespace);
    ignoreAdvertisements(plan);
    setUpInterface(opened[0]!, outside, addressesOfHost(plan));
  } catch (error) {
    const code = error instanceof NetlinkError ? errnoName(error.errno) : isSystemError(error) ? error.code : undefined;
    if (code === undefined) throw error;
    throw new Failure(reasonOf(code), said('interfacesCouldNotBeMade', inside, outside, code), { errno: code });
  } finally {
    for (const descriptor of opened) close(descriptor);
  }
}

const GONE_MILLIS = 2000;
const LOOK_MILLIS = 5;

/**
 * Resolves when the end on the host is no more: the kernel removes it some time after the net namespace of the other, and its addresses are
 * taken until then. Given up where somebody else holds that namespace.
 */
export async function untilGone({ outside }: VethPlan): Promise<void> {
  const end = performance.now() + GONE_MILLIS;
  // Of the net namespace of who looks, unlike sysfs.
  while (fs.existsSync(`/proc/sys/net/ipv4/conf/${outside}`) && performance.now() < end) await sleep(LOOK_MILLIS);
}

/** The settings may be read-only, in a container, or not there. */
function ignoreAdvertisements(plan: VethPlan): void {
  try {
    fs.writeFileSync(`${HOST_SETTINGS}/${advertisementsOf(plan)}`, '0');
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

function addressesOfHost({ gateway, prefixLength, ipv6 }: VethPlan): OwnAddress[] {
  const address = { bytes: bytesOf(gateway), prefixLength };
  return ipv6 === undefined ? [address] : [address, { bytes: bytesOf6(ipv6.gateway), prefixLength: ipv6.prefixLength }];
}
