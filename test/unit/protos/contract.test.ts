/** The ext_proc contract that we wrote out, against the pinned Envoy; and our wire format, against an independent codec. */

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import structPb from 'google-protobuf/google/protobuf/struct_pb.js';
import {
  ProcessingRequest,
  ProcessingResponse,
} from '../../../filter/extproc/gen/envoy/service/ext_proc/v3/external_processor.ts';
import { chainMetadata, immediateAnswer } from '../../../filter/extproc/messages.ts';
import type { ClusterName } from '../../../filter/policy/compiled/names.ts';
import { descriptorsInBinary, findDrift, ourDescriptors } from '../../../protos/check-drift.ts';
import { envoyBinary } from '../../stack/processes.ts';

describe('the ext_proc contract', () => {
  const ours = ourDescriptors();
  const theirs = descriptorsInBinary(readFileSync(envoyBinary()));

  it('is what the Envoy binary has', () => {
    expect(ours.length).to.be.greaterThan(5);
    expect(findDrift(ours, theirs)).to.deep.equal([]);
  });

  it('would show a changed number, type, name, oneof or method', () => {
    const changed = ourDescriptors();
    const file = changed.find((candidate) => candidate.getName()?.endsWith('external_processor.proto'));
    const request = file?.getMessageTypeList().find((message) => message.getName() === 'ProcessingRequest');
    request?.getFieldList()[0]?.setNumber(42);
    request?.getFieldList()[1]?.setName('renamed');
    request?.getFieldList()[2]?.clearOneofIndex();
    request?.getFieldList()[6]?.setType(9);
    file?.getServiceList()[0]?.getMethodList()[0]?.setClientStreaming(false);
    const drift = findDrift(changed, theirs).join('\n');
    expect(drift).to.include('ProcessingRequest.request_headers: number is 42 here and 2 in Envoy');
    expect(drift).to.include('ProcessingRequest.renamed: this Envoy has no such field');
    expect(drift).to.include('ProcessingRequest.request_body: oneof is');
    expect(drift).to.include('ProcessingRequest.metadata_context: type is 9');
    expect(drift).to.include('ExternalProcessor.Process: signature is');
  });

  it('dynamic metadata is read alike by google-protobuf', () => {
    const metadata = chainMetadata({ id: 'req_1', owner: 'unix:/f' }, ['openai', 'anthropic'] as ClusterName[], true);
    const wire = Buffer.from(ProcessingResponse.encode({ dynamicMetadata: metadata.dynamicMetadata }).finish());
    // Field 8, length-delimited: one byte of tag, one of length.
    expect(wire[0]).to.equal((8 << 3) | 2);
    expect(wire[1]).to.be.lessThan(0x80);
    const struct = structPb.Struct.deserializeBinary(wire.subarray(2));
    expect(struct.toJavaScript()).to.deep.equal(metadata.dynamicMetadata);
  });

  it('statuses that Envoy lists nowhere survive', () => {
    const wire = ProcessingResponse.encode(immediateAnswer({ status: 529, headers: [], body: '{}' })).finish();
    const { response } = ProcessingResponse.decode(wire);
    expect(response?.$case === 'immediateResponse' && response.value.status?.code).to.equal(529);
  });

  it('fields that we do not know are skipped', () => {
    const wire = Buffer.concat([
      ProcessingRequest.encode({
        request: { $case: 'requestBody', value: { body: Buffer.from('x'), endOfStream: true } },
      }).finish(),
      Buffer.from([0x50, 0x01]),
    ]);
    expect(ProcessingRequest.decode(wire).request).to.deep.include({ $case: 'requestBody' });
  });
});
