/* SPDX-License-Identifier: GPL-2.0-only */
/* Giving up what a process may do, for good. */
#ifndef USHER_EDGE_RIGHTS_H
#define USHER_EDGE_RIGHTS_H

/* Closes every descriptor but the standard ones and these two, which become 3 and 4. Returns 0 or -errno. */
int rights_keep_files(int first, int second);
/* As many descriptors as the process may ever have, since each connection that is kept is one. Returns how many. */
unsigned int rights_raise_files(void);
/* No capability, no new ones by exec, and, of root, another user. Returns 0 or -errno. */
int rights_drop(void);
/* Ends with the process that started this one. To be called after rights_drop, which would undo it. 0 or -errno. */
int rights_end_with_parent(void);
/* From here on only sockets and memory: no file is opened, no program or process started, nothing mapped that can be executed.
 * What is not allowed fails with EPERM. Returns 0 or -errno. */
int rights_restrict_calls(void);

#endif
