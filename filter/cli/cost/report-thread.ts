import { groupsOf } from './dimensions.ts';
import { serveSums } from './sums-thread.ts';

serveSums(groupsOf);
