"""PyTorch process as one rank of a group, for foreign parity: takes part in every collective with every type of ours.

Arguments: host, port, rank, size, name of the group. Prints one JSON line with what each collective gave it.
The store's keys are those that a communicator of ours expects of a rank (`joined`), and Gloo's own.
"""
import datetime
import json
import sys

import torch
import torch.distributed as dist


def main():
    host, port, rank, size, name = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    timeout = datetime.timedelta(seconds=60)
    store = dist.TCPStore(host, port, is_master=False, timeout=timeout, wait_for_workers=False)
    dist.PrefixStore(name + "/ranks", store).set(f"joined/{rank}", "1")
    options = dist.ProcessGroupGloo._Options()
    options._devices = [dist.ProcessGroupGloo.create_device(hostname="127.0.0.1")]
    options._timeout = timeout
    group = dist.ProcessGroupGloo(dist.PrefixStore(name + "/gloo", store), rank, size, options)
    told = {}
    for kind in (torch.float32, torch.float64, torch.int32, torch.uint8):
        of = str(kind).removeprefix("torch.")
        values = torch.tensor([rank + 1, 3 * rank, 7], dtype=kind)
        total, largest, sent = values.clone(), values.clone(), values.clone()
        group.allreduce([total]).wait()
        options = dist.AllreduceOptions()
        options.reduceOp = dist.ReduceOp.MAX
        group.allreduce([largest], options).wait()
        # A gathering of ours tells the lengths of the parts first.
        lengths = [[torch.empty(1, dtype=torch.float64) for _ in range(size)]]
        group.allgather(lengths, [torch.tensor([float(len(values))], dtype=torch.float64)]).wait()
        parts = [[torch.empty_like(values) for _ in range(size)]]
        group.allgather(parts, [values]).wait()
        group.broadcast(sent, 1).wait()
        told[of] = {
            "sum": total.tolist(),
            "max": largest.tolist(),
            "parts": [part.tolist() for part in parts[0]],
            "sent": sent.tolist(),
        }
    group.barrier().wait()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
