/** Ends every telephone and load generator that a failed test left. */
import { Phone } from "./phone.ts";
import { Sipp } from "./sipp.ts";
export const stopPhones = async () => { await Phone.stopAll(); await Sipp.stopAll(); };
