"""What people run beside the bridge: a private PBX, telephones, and Instaply's stand-in."""
