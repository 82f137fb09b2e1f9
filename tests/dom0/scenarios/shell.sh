# A root shell in dom0, images and configurations in place, until it ends.
mkdir -p /var/lib/tether
ln -sf "$IMAGES"/* /var/lib/tether/
export PS1='dom0# '
say "images in /var/lib/tether, configurations and introduce in $dir/xl; exit ends the bed"
# A session of its own with the line as its terminal, so that Ctrl-C reaches what runs in it.
stty -F "$JOB_TTY" sane
(cd xl && setsid -c sh -i <"$JOB_TTY" >"$JOB_TTY" 2>&1)
stty -F "$JOB_TTY" raw -echo
