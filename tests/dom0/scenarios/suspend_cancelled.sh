# Each side in turn is suspended and let go on as the same domain (a checkpoint). Nothing of it is
# lost, and it says so; a session outlives it if the checkpoint took no longer than a silent peer is
# trusted. If not, both sides start over by themselves, without dom0.
snapshot before
create backend 1 "link=a"
create frontend 1 "link=a cycles=0"
introduce frontend.1 backend.1
for name in frontend.1 backend.1; do
    done=$(count frontend.1 '^@T cycle .* ok=1')
    wait_line frontend.1 $((done + CYCLES)) '^@T cycle .* ok=1'
    save $name /tmp/checkpoint -c
    wait_line $name 1 '^@T resumed '
    [ "$(count $name '^@T resumed .*restored=0')" -gt 0 ] && said=ok || said=bad
    check "checkpoint-of-${name%.1}-is-told-from-a-restore" $said
    done=$(count frontend.1 '^@T cycle .* ok=1')
    wait_line frontend.1 $((done + CYCLES)) '^@T cycle .* ok=1'
done
say "sessions that the checkpoints ended: $(count frontend.1 '^@T down ')"
shutdown_unwatched frontend.1
snapshot idle
shutdown_unwatched backend.1
snapshot after
