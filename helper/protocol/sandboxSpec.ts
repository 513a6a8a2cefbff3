/**
 * What a sandbox is made of. Everything that is left out is the safe choice. Made by scripts/sandboxSpec.mjs of helper/sandbox/specification/spec.ts; not to be
 * changed by hand.
 */

/** A sandbox: what its processes see, may do and may use. Everything that is left out is the safe choice. */
export interface SandboxSpec {
  /** Where the schema of this file is, for editors. */
  $schema?: string;
  /** For people, and for other sandboxes to join it. Default: made from the root and the program. */
  name?: string;
  /** Where its files come from. Default: the host's, read-only. */
  root?: SandboxRoot;
  /** "pivot_root" leaves nothing of the old root. "chroot" changes only where paths begin. */
  changeRoot?: 'pivot_root' | 'chroot';
  /** With pivot_root: keep the old root at this path inside. Everything of the host can be reached through it. */
  oldRoot?: string;
  /**
   * For each kind: "new", the host's, or that of something that runs. Default: new ones but for time, and for user when the
   * helper is root.
   */
  namespaces?: {
    /** The user namespace: ids and capabilities. */
    user?: NamespaceChoice;
    /** The mnt namespace: mounts. */
    mnt?: NamespaceChoice;
    /** The pid namespace: process ids. */
    pid?: NamespaceChoice;
    /** The net namespace: network. */
    net?: NamespaceChoice;
    /** The ipc namespace: System V IPC and POSIX message queues. */
    ipc?: NamespaceChoice;
    /** The uts namespace: host name. */
    uts?: NamespaceChoice;
    /** The cgroup namespace: the root of the cgroup hierarchy. */
    cgroup?: NamespaceChoice;
    /** The time namespace: clocks. */
    time?: NamespaceChoice;
  };
  /**
   * Which ids of the host are which in a new user namespace. "root": root inside is the user outside. "user": the same id
   * inside. "subids": root, and the ranges of /etc/subuid and /etc/subgid.
   */
  idMappings?: IdMappings;
  /** For a new time namespace: seconds added to the clocks. */
  timeOffsets?: {
    /** Seconds added to CLOCK_MONOTONIC. */
    monotonic?: number;
    /** Seconds added to CLOCK_BOOTTIME, that is to the uptime. */
    boottime?: number;
  };
  /** Default: the name of the sandbox. */
  hostname?: string;
  /** "own": a /proc that shows its own processes. */
  proc?: 'own' | 'none';
  /** "minimal": null, zero, full, random, urandom, tty, an own devpts and shm. */
  dev?: 'minimal' | 'host' | 'none';
  /** Mounted in this order, after /proc and /dev. */
  mounts?: SandboxMount[];
  /**
   * What of procfs and sysfs acts on the whole host. "default": hidden or read-only, as Docker has it, wherever one is mounted.
   * "unmasked": open.
   */
  systemPaths?: 'default' | 'unmasked';
  /** Further paths inside whose content is hidden. */
  maskedPaths?: string[];
  /** Further paths inside that cannot be written. */
  readonlyPaths?: string[];
  /**
   * "none": nothing is up. "loopback": lo is up. "host": the host's. "veth": a pair of interfaces, one inside, one on the host.
   */
  network?: SandboxNetwork;
  /** Lines of /etc/hosts, beside those of localhost and of the host name. */
  hosts?: {
    /** An IP address. */
    address: string;
    /** Names that have it. */
    names: string[];
  }[];
  /** Limits, through cgroups of version 1 or 2. */
  resources?: SandboxResources;
  /**
   * Which system calls may be made. "default" has the effect of Docker's default profile; or a profile as in the OCI
   * specification.
   */
  seccomp?: 'default' | 'unconfined' | SeccompProfile;
  /** The program and what it may do. */
  process?: SandboxProcess;
  /** It survives the helper and VS Code. Default: false. */
  persistent?: boolean;
}

export type SandboxRoot =
  | {
      /** The files of the host. */
      type: 'host';
      /** How files may be changed: not at all, for good, or into an upper layer of an overlay. */
      access?: RootAccess;
      /** With access "overlay": a directory of the host that keeps the changes. Left out: they are thrown away. */
      upper?: string;
      /**
       * Its files belong inside to whom the new user namespace maps their owners to; on the disk nothing changes. Only root can
       * ask for it.
       */
      idmap?: boolean;
    }
  | {
      /** A directory of the host. */
      type: 'directory';
      /** A directory of the host, absolute or relative to this file. */
      path: string;
      /** How files may be changed: not at all, for good, or into an upper layer of an overlay. */
      access?: RootAccess;
      /** With access "overlay": a directory of the host that keeps the changes. Left out: they are thrown away. */
      upper?: string;
      /**
       * Its files belong inside to whom the new user namespace maps their owners to; on the disk nothing changes. Only root can
       * ask for it.
       */
      idmap?: boolean;
    }
  | {
      /** An empty file system in memory. */
      type: 'tmpfs';
      /** Bytes, or with K, M, G or T. */
      size?: Size;
      /** Permissions of the root directory, as a number: 493 is 0755. */
      mode?: number;
    }
  | {
      /** A file system in memory with nothing but the programs that are named, and what they need. */
      type: 'programs';
      /**
       * Programs to bring, with their loader, libraries and script interpreters. A name without a slash is looked for in /bin,
       * /sbin and the rest of PATH.
       */
      programs: string[];
      /** "bind": the host's files, mounted read-only. "copy": copies of its own. */
      files?: 'bind' | 'copy';
      /** Bytes, or with K, M, G or T. */
      size?: Size;
    }
  | {
      /** An image on this host. */
      type: 'image';
      /** An image on this host, as lower layers of an overlay. */
      image: SandboxImage;
      /** A directory of the host that keeps the changes. Left out: they are thrown away. */
      upper?: string;
    };

export type RootAccess = 'readOnly' | 'readWrite' | 'overlay';

export type SandboxImage =
  | {
      /** An OCI layout: a directory with index.json. */
      format: 'oci';
      /** The directory of the layout, absolute or relative to this file. */
      path: string;
      /** Which of its images. Needed when there are several. */
      reference?: string;
    }
  | {
      /** A file made by docker save. */
      format: 'dockerArchive';
      /** The file, absolute or relative to this one. */
      path: string;
      /** Which of its images. Needed when there are several. */
      reference?: string;
    }
  | {
      /** A tar of a root file system, such as docker export makes. */
      format: 'tar';
      /** The tar, absolute or relative to this file. */
      path: string;
    }
  | {
      /** Whose storage on this host it is in. */
      format: 'docker' | 'podman';
      /** Its name, such as debian:12, or its id. */
      reference: string;
    };

/** Bytes, or with K, M, G or T. */
export type Size = number | string;

export type NamespaceChoice =
  | 'new'
  | 'host'
  | {
      /** That of a process. */
      process: {
        /** Its id on the host. */
        pid: number;
        /** When it started, as in /proc/PID/stat: so that it is no other with the same id. */
        startTime: number;
      };
    }
  | {
      /** A namespace by its inode. */
      namespace: {
        /** Its kind. */
        kind: 'user' | 'mnt' | 'pid' | 'net' | 'ipc' | 'uts' | 'cgroup' | 'time';
        /** Device of the inode, as stat(2) has it. */
        dev: number;
        /** Number of the inode: that in net:[4026531840]. */
        ino: number;
      };
    }
  | {
      /** That of a sandbox that runs, by its name or id. */
      sandbox: string;
    };

export type IdMappings =
  | 'root'
  | 'user'
  | 'subids'
  | {
      /** Ranges of users, a line of user_namespaces(7) each. */
      uidMappings: SandboxIdMapping[];
      /** Ranges of groups, a line of user_namespaces(7) each. */
      gidMappings: SandboxIdMapping[];
    };

export interface SandboxIdMapping {
  /** The first id inside. */
  containerID: number;
  /** The first id on the host. */
  hostID: number;
  /** How many ids. */
  size: number;
}

export interface SandboxMount {
  /** Absolute, resolved inside the new root, and made when it is lacking. */
  destination: string;
  /** The type of file system, or "bind" for files of the host. */
  type: 'bind' | 'tmpfs' | 'proc' | 'sysfs' | 'mqueue' | 'devpts' | 'overlay' | 'cgroup2';
  /** For "bind": a path of the host, absolute or relative to this file. */
  source?: string;
  /**
   * As mount(8) has them: ro, rw, nosuid, nodev, noexec, size=64M, rprivate, rslave, rshared. A bind without ro or rw is
   * read-only. idmap and ridmap map the owners of its files by the new user namespace.
   */
  options?: string[];
}

export type SandboxNetwork =
  | {
      /** "none": nothing is up. "loopback": lo is up. "host": the host's. */
      type: 'none' | 'loopback' | 'host';
    }
  | {
      /** A pair of interfaces, one inside, one on the host. */
      type: 'veth';
      /** Address inside with prefix length, such as 10.77.1.2/24. Default: a free one. */
      address?: string;
      /** Address of the host's end, and the default route inside. Default: the lowest of the prefix. */
      gateway?: string;
      /** Also addresses of IPv6. Default: whether one is given. */
      ipv6?: boolean;
      /** Address of IPv6 inside with prefix length, such as fd00:77::2/64. Default: one of a random private prefix. */
      address6?: string;
      /** Address of IPv6 of the host's end, and the default route inside. Default: the lowest of the prefix. */
      gateway6?: string;
      /** Name of the interface inside. Default: eth0. */
      name?: string;
      /** Translate addresses, so that the outside is reached. */
      nat?: boolean;
      /** Reach, through the host, other sandboxes that ask for the same. */
      peers?: boolean;
      /** Ports of the host that lead inside. */
      ports?: PortForward[];
      /** For /etc/resolv.conf. Default: with nat those of the host that are reached from inside. */
      nameservers?: string[];
      /** For /etc/resolv.conf: domains in which short names are looked for. */
      searchDomains?: string[];
      /** For /etc/resolv.conf, such as ndots:2. */
      resolverOptions?: string[];
    };

export interface PortForward {
  /** Default: tcp. */
  protocol?: 'tcp' | 'udp';
  /**
   * Address of the host at which it listens. Default: 127.0.0.1. One of IPv6 leads to the address of IPv6 inside, if there is
   * one.
   */
  hostAddress?: string;
  /** Port of the host. */
  hostPort: number;
  /** Port inside that it leads to. */
  containerPort: number;
}

export interface SandboxResources {
  /** Time and choice of CPUs. */
  cpu?: {
    /** Microseconds of CPU time in every period. */
    quota?: number;
    /** Microseconds. Default: 100000. */
    period?: number;
    /** Weight as in version 1; 1024 is the norm. */
    shares?: number;
    /** CPUs it may run on, such as 0-1,3. */
    cpus?: string;
    /** Memory nodes it may use. */
    mems?: string;
  };
  /** Memory and swap. */
  memory?: {
    /** Bytes, or with K, M, G or T. */
    limit?: Size;
    /** How much swap it may use beyond the memory limit. */
    swap?: Size;
  };
  /** Processes and threads. */
  pids?: {
    /** How many processes and threads there may be. */
    limit: number;
  };
  /** Rates of block devices. */
  blockIO?: {
    /** Such as 8:0, or the path of the device. */
    device: string;
    /** Bytes read in a second. */
    readBps?: Size;
    /** Bytes written in a second. */
    writeBps?: Size;
    /** Reads in a second. */
    readIOPS?: number;
    /** Writes in a second. */
    writeIOPS?: number;
  }[];
}

export interface SeccompProfile {
  /** What happens at a system call that no rule names. */
  defaultAction: SeccompAction;
  /** With SCMP_ACT_ERRNO: the error number. Default: 1, EPERM. */
  defaultErrnoRet?: number;
  /** Architectures that it is for. Default: that of the host. */
  architectures?: string[];
  /** Flags of seccomp(2). */
  flags?: string[];
  /** Rules. */
  syscalls?: {
    /** Names of system calls. */
    names: string[];
    /** What happens at them. */
    action: SeccompAction;
    /** With SCMP_ACT_ERRNO: the error number. Default: 1, EPERM. */
    errnoRet?: number;
    /** What their arguments must be for the rule to count. */
    args?: {
      /** Which argument, from 0. */
      index: number;
      /** What it is compared with. */
      value: number;
      /** With SCMP_CMP_MASKED_EQ: what the masked argument must equal. */
      valueTwo?: number;
      /** How they are compared. */
      op: SeccompOperator;
    }[];
  }[];
}

export type SeccompAction =
  | 'SCMP_ACT_KILL'
  | 'SCMP_ACT_KILL_PROCESS'
  | 'SCMP_ACT_KILL_THREAD'
  | 'SCMP_ACT_TRAP'
  | 'SCMP_ACT_ERRNO'
  | 'SCMP_ACT_ALLOW'
  | 'SCMP_ACT_LOG';

export type SeccompOperator =
  | 'SCMP_CMP_NE'
  | 'SCMP_CMP_LT'
  | 'SCMP_CMP_LE'
  | 'SCMP_CMP_EQ'
  | 'SCMP_CMP_GE'
  | 'SCMP_CMP_GT'
  | 'SCMP_CMP_MASKED_EQ';

export interface SandboxProcess {
  /** Program and arguments. Default: a shell. */
  args?: string[];
  /** The environment beside PATH, HOME and TERM. Nothing of the host's gets in. */
  env?: Record<string, string>;
  /** Directory to begin in. Default: /. */
  cwd?: string;
  /** A pseudoterminal of its own (default), or none. */
  terminal?: boolean;
  /** Ids inside. Default: root. */
  user?: {
    /** The user. */
    uid: number;
    /** The group. Default: the number of the user. */
    gid?: number;
    /** Groups beside it. */
    additionalGids?: number[];
    /** As a number: 18 is 022. */
    umask?: number;
  };
  /** Default: none. A list means bounding, permitted and effective, and for a user other than root ambient. */
  capabilities?: string[] | SandboxCapabilities;
  /** Default: true. Set-user-ID programs then give nothing. */
  noNewPrivileges?: boolean;
  /** Resource limits, as setrlimit(2) has them. */
  rlimits?: {
    /** Which, such as RLIMIT_NOFILE. */
    type: string;
    /** What counts, or "unlimited". */
    soft: number | 'unlimited';
    /** How far it can raise that itself, or "unlimited". */
    hard: number | 'unlimited';
  }[];
  /** -1000 to 1000: how likely it is killed when memory runs out. */
  oomScoreAdj?: number;
  /** Stay as pid 1 and reap (default with a new pid namespace), or be the program itself. */
  init?: boolean;
  /** Seconds after which everything in it is killed. */
  timeout?: number;
}

export interface SandboxCapabilities {
  /** What it can ever have. */
  bounding?: string[];
  /** What is looked at when it acts. */
  effective?: string[];
  /** What it hands on to programs that ask for it. */
  inheritable?: string[];
  /** What it may make effective. */
  permitted?: string[];
  /** What programs that it starts keep. */
  ambient?: string[];
}
