import * as vscode from 'vscode';

/**
 * Capabilities with which a process in the host's user namespace can undo its own confinement, and what each allows
 * (capabilities(7)). Undefined for the others.
 */
export function dangerOf(capability: string): string | undefined {
  const dangers: Record<string, string> = {
    CAP_SYS_ADMIN: vscode.l10n.t('can mount file systems, join namespaces and much more'),
    CAP_SYS_PTRACE: vscode.l10n.t('can read and change other processes'),
    CAP_SYS_MODULE: vscode.l10n.t('can load code into the kernel'),
    CAP_SYS_RAWIO: vscode.l10n.t('can reach hardware and memory directly'),
    CAP_DAC_READ_SEARCH: vscode.l10n.t('can open any file by its handle, past every root directory'),
    CAP_BPF: vscode.l10n.t('can load BPF programs into the kernel'),
    CAP_PERFMON: vscode.l10n.t('can observe the kernel and other processes'),
    CAP_NET_ADMIN: vscode.l10n.t('can change its network namespace: addresses, routes, firewall'),
    CAP_SYS_BOOT: vscode.l10n.t('can restart the machine or load another kernel'),
    CAP_MAC_ADMIN: vscode.l10n.t('can change the security module’s policy'),
    CAP_MAC_OVERRIDE: vscode.l10n.t('can ignore the security module’s policy'),
  };
  return dangers[capability];
}
