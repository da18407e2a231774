import { auditSidesOf } from './audit-side.ts';
import { serveSums } from './sums-thread.ts';

serveSums(auditSidesOf);
