# An option that is unknown or malformed ends the image with one line that names it.
for options in 'link=a cylces=20' 'link=a cycles=many' 'link=a stop_at=nowhere' 'link=a beat_ms=0'; do
    number=$((${number-0} + 1))
    create frontend $number "$options"
    expect frontend.$number ERROR
    wait_end frontend.$number
    word=${options#* }
    named=$(count frontend.$number "${word%%=*}")
    [ "$named" -ge 1 ] && [ "$named" -le 2 ] && said=ok || said=bad
    check "names-${word%%=*}" $said "$named lines"
done
