"""Which system calls a run may make: an allowlist by name and number, and the fate of the rest.

It started from the facts of the containers project's default profile (which calls programs use),
less what no submission needs. A call that is not named here, one of a newer kernel included, fails
with ENOSYS, as on a kernel that has none; the few below that are named fail otherwise, or kill.
"""

from __future__ import annotations

import errno

# Numbers on x86_64 and aarch64; "-" where the architecture has no such call.
_ALLOWED = """
# files and folders
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69
pwritev:296:70 preadv2:327:286 pwritev2:328:287 open:2:- openat:257:56 openat2:437:437
creat:85:- close:3:57 close_range:436:436 lseek:8:62 stat:4:- fstat:5:80 lstat:6:-
newfstatat:262:79 statx:332:291 access:21:- faccessat:269:48 faccessat2:439:439 readlink:89:-
readlinkat:267:78 getdents:78:- getdents64:217:61 getcwd:79:17 chdir:80:49 fchdir:81:50
mkdir:83:- mkdirat:258:34 rmdir:84:- rename:82:- renameat:264:38 renameat2:316:276 link:86:-
linkat:265:37 symlink:88:- symlinkat:266:36 unlink:87:- unlinkat:263:35 mknod:133:-
mknodat:259:33 truncate:76:45 ftruncate:77:46 fallocate:285:47 fsync:74:82 fdatasync:75:83
sync:162:81 syncfs:306:267 sync_file_range:277:84 flock:73:32 fcntl:72:25 umask:95:166
statfs:137:43 fstatfs:138:44 fadvise64:221:223 readahead:187:213 sendfile:40:71
copy_file_range:326:285 splice:275:76 tee:276:77 vmsplice:278:75 dup:32:23 dup2:33:- dup3:292:24
pipe:22:- pipe2:293:59 getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 listxattr:194:11
llistxattr:195:12 flistxattr:196:13 inotify_init:253:- inotify_init1:294:26
inotify_rm_watch:255:28
# modes, owners, times and watches: what Landlock does not guard is refused below level full
chmod:90:- fchmod:91:52 fchmodat:268:53 fchmodat2:452:452 chown:92:- fchown:93:55 lchown:94:-
fchownat:260:54 utime:132:- utimes:235:- futimesat:261:- utimensat:280:88
inotify_add_watch:254:27
# memory; NUMA policies are what CUDA and OpenMP ask for
brk:12:214 mmap:9:222 munmap:11:215 mprotect:10:226 mremap:25:216 msync:26:227 madvise:28:233
mincore:27:232 mlock:149:228 mlock2:325:284 mlockall:151:230 munlock:150:229 munlockall:152:231
mseal:462:462 membarrier:324:283 pkey_alloc:330:289 pkey_free:331:290 pkey_mprotect:329:288
get_mempolicy:239:236 set_mempolicy:238:237 mbind:237:235 set_mempolicy_home_node:450:450
# processes and threads
fork:57:- vfork:58:- execve:59:221 execveat:322:281 exit:60:93 exit_group:231:94 wait4:61:260
waitid:247:95 getpid:39:172 getppid:110:173 gettid:186:178 getpgrp:111:- getpgid:121:155
setpgid:109:154 getsid:124:156 setsid:112:157 set_tid_address:218:96 set_robust_list:273:99
get_robust_list:274:100 rseq:334:293 arch_prctl:158:- prctl:157:167 seccomp:317:277 futex:202:98
futex_waitv:449:449 futex_wake:454:454 futex_wait:455:455 futex_requeue:456:456
restart_syscall:219:128 pidfd_open:434:434 pidfd_send_signal:424:424 getrlimit:97:163
setrlimit:160:164 getrusage:98:165 times:100:153 getpriority:140:141 setpriority:141:140
ioprio_get:252:31 ioprio_set:251:30 sched_yield:24:124 sched_getaffinity:204:123
sched_setaffinity:203:122 sched_getparam:143:121 sched_setparam:142:118
sched_getscheduler:145:120 sched_setscheduler:144:119 sched_getattr:315:275
sched_setattr:314:274 sched_get_priority_max:146:125 sched_get_priority_min:147:126
sched_rr_get_interval:148:127 getcpu:309:168
# signals
kill:62:129 tkill:200:130 tgkill:234:131 rt_sigaction:13:134 rt_sigprocmask:14:135
rt_sigreturn:15:139 rt_sigsuspend:130:133 rt_sigpending:127:136 rt_sigtimedwait:128:137
rt_sigqueueinfo:129:138 rt_tgsigqueueinfo:297:240 sigaltstack:131:132 signalfd:282:-
signalfd4:289:74 pause:34:-
# time and waiting
time:201:- gettimeofday:96:169 clock_gettime:228:113 clock_getres:229:114
clock_nanosleep:230:115 nanosleep:35:101 alarm:37:- getitimer:36:102 setitimer:38:103
timer_create:222:107 timer_settime:223:110 timer_gettime:224:108 timer_getoverrun:225:109
timer_delete:226:111 timerfd_create:283:85 timerfd_settime:286:86 timerfd_gettime:287:87
poll:7:- ppoll:271:73 select:23:- pselect6:270:72 epoll_create:213:- epoll_create1:291:20
epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:-
eventfd2:290:19
# who and where
getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177 getresuid:118:148
getresgid:120:150 getgroups:115:158 setuid:105:146 setgid:106:144 setreuid:113:145
setregid:114:143 setresuid:117:147 setresgid:119:149 setgroups:116:159 setfsuid:122:151
setfsgid:123:152 capget:125:90 capset:126:91 uname:63:160 sysinfo:99:179 getrandom:318:278
# sockets, which reach nothing but each other
connect:42:203 bind:49:200 listen:50:201 accept:43:202 accept4:288:242
getsockname:51:204 getpeername:52:205 getsockopt:55:209 sendto:44:206 recvfrom:45:207
sendmsg:46:211 recvmsg:47:212 sendmmsg:307:269 recvmmsg:299:243 shutdown:48:210
"""
ALLOWED: dict[str, tuple[int | None, ...]] = {
    name: tuple(None if number == "-" else int(number) for number in numbers)
    for line in _ALLOWED.splitlines()
    if not line.startswith("#")
    for name, *numbers in (entry.split(":") for entry in line.split())
}

# A run that calls one of these is killed: no honest code does.
KILLED = {
    "ptrace": (101, 117),  # other processes' memory
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),  # other processes' files
    "unshare": (272, 97),  # namespaces: new capabilities, new attack surface
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),  # files by inode, past every path rule
    "bpf": (321, 280),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
}
# Libraries probe for these and go by the error. What fails with ENOSYS needs no line: among others
# clone3, whose flags no filter can read; io_uring, which makes calls past the filter; System V and
# POSIX queues, semaphores and shared memory, which no limit counts and some of which outlive a run.
REFUSED = {
    "process_vm_readv": (310, 270, errno.EPERM),
    "perf_event_open": (298, 241, errno.EPERM),
    "userfaultfd": (323, 282, errno.EPERM),
    "keyctl": (250, 219, errno.EPERM),  # the kernel's keyrings are shared between runs
    "add_key": (248, 217, errno.EPERM),
    "request_key": (249, 218, errno.EPERM),
    "setxattr": (188, 5, errno.ENOTSUP),  # memory that the size of a tmpfs does not count
    "lsetxattr": (189, 6, errno.ENOTSUP),
    "fsetxattr": (190, 7, errno.ENOTSUP),
    "removexattr": (197, 14, errno.ENOTSUP),
    "lremovexattr": (198, 15, errno.ENOTSUP),
    "fremovexattr": (199, 16, errno.ENOTSUP),
}
# Below level full Landlock guards files by path, but not what these do: they do nothing, and those
# with errno 0 say that they did, because copying a file sets its mode and must not fail over it.
UNGUARDED = {
    **dict.fromkeys(("chmod", "fchmod", "fchmodat", "fchmodat2"), 0),
    **dict.fromkeys(("chown", "fchown", "lchown", "fchownat"), 0),
    **dict.fromkeys(("utime", "utimes", "futimesat", "utimensat"), 0),
    "inotify_add_watch": errno.EACCES,  # it tells the names of new files in hidden folders
}
# CUDA's driver starts with an anonymous file; elsewhere one is memory that no process maps.
MEMFD_CREATE = (319, 279)

# --- Calls whose arguments decide -------------------------------------------------------------

CLONE = (56, 220)
CLONE_NEW = 0x7E020080  # every CLONE_NEW* flag: killed
PRLIMIT = (302, 261)  # of oneself only: to limit another process of the same user can end it
IOCTL = (16, 29)
TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
SETSOCKOPT = (54, 208)
SOL_SOCKET = 1
# SO_SNDBUF, SO_RCVBUF and what forces them: they keep what they have, and say that they changed.
BUFFER_SIZES = (7, 8, 32, 33)
SOCKET, SOCKETPAIR = (41, 198), (53, 199)
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
# In an empty network namespace these reach nothing; AF_VSOCK would still reach a hypervisor.
FAMILIES_IN_OWN_NETWORK = (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)
# Without one only local sockets are left, which DataLoader workers need.
FAMILIES_IN_SHARED_NETWORK = (AF_UNIX,)
